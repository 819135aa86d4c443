const begin = Buffer.from("-----BEGIN ");
const words = Buffer.from("PRIVATE KEY");
const labels = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] as const;

/** PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915). */
export type KeyLabel = (typeof labels)[number];

/** Whether a library could take some part of `text` for a PEM key: ccxt looks for the words, OpenSSL for the line before them. */
export function mentionsKey(text: Uint8Array): boolean {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  return bytes.includes(begin) || bytes.includes(words);
}

/**
 * Lends what one PEM block of a private key holds to `use`; false where `text` is not one such block from end to end. Its line breaks
 * may be written as `\n`. An empty line is refused: OpenSSL takes what stands before it for headers, so it would read another key.
 */
export function inPem(text: Uint8Array, use: (label: KeyLabel, der: Uint8Array) => boolean): boolean {
  for (const label of labels) {
    const body = bodyOf(text, label);
    if (body !== undefined) return inBase64(body, (der) => use(label, der));
  }
  return false;
}

/** The same for base64 alone. */
export function inBase64(body: Uint8Array, use: (der: Uint8Array) => boolean): boolean {
  const decoded = new Uint8Array(new ArrayBuffer(Math.ceil(body.byteLength / 4) * 3));
  try {
    const length = decode(body, decoded);
    return length !== undefined && use(decoded.subarray(0, length));
  } finally {
    decoded.fill(0);
  }
}

function bodyOf(text: Uint8Array, label: KeyLabel): Uint8Array | undefined {
  const bytes = Buffer.from(text.buffer, text.byteOffset, endOf(text));
  const first = Buffer.from(`-----BEGIN ${label}-----`);
  const last = Buffer.from(`-----END ${label}-----`);
  const isBlock =
    bytes.byteLength >= first.byteLength + last.byteLength &&
    bytes.subarray(0, first.byteLength).equals(first) &&
    bytes.subarray(-last.byteLength).equals(last);
  return isBlock ? bytes.subarray(first.byteLength, -last.byteLength) : undefined;
}

/** Where the text ends without the blanks and line breaks behind it. */
function endOf(text: Uint8Array): number {
  let end = text.byteLength;
  for (;;) {
    if (isBlank(text[end - 1])) end -= 1;
    else if (text[end - 2] === 0x5c && text[end - 1] === 0x6e) end -= 2;
    else return end;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d;
}

/** Writes to `into` and gives the number of bytes; `undefined` for anything but base64 in lines, none of them empty. */
function decode(body: Uint8Array, into: Uint8Array): number | undefined {
  let [bits, held, length, padding, breaks] = [0, 0, 0, 0, 0];
  for (let at = 0; at < body.byteLength; at += 1) {
    const byte = body[at] ?? 0;
    const isEscaped = byte === 0x5c && body[at + 1] === 0x6e;
    if (isEscaped) at += 1;
    if (isEscaped || byte === 0x0a) breaks += 1;
    if (breaks > 1) return undefined;
    if (isEscaped || isBlank(byte)) continue;
    breaks = 0;
    if (byte === 0x3d) {
      padding += 1;
      continue;
    }
    const value = sextet(byte);
    if (value === undefined || padding > 0) return undefined;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      into[length] = (held >> bits) & 0xff;
      length += 1;
    }
  }
  return (length + padding) % 3 === 0 && padding < 3 ? length : undefined;
}

function sextet(byte: number): number | undefined {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  if (byte === 0x2b) return 62;
  return byte === 0x2f ? 63 : undefined;
}
