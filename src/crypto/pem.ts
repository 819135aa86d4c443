const begin = Buffer.from("-----BEGIN ");
const end = Buffer.from("-----END ");
const dashes = Buffer.from("-----");
const words = Buffer.from("PRIVATE KEY");
const encryptedHeader = Buffer.from("ENCRYPTED");

/** Why no private key can be read from a PEM text, as a predicate whose subject is the field. */
export const pemFaults = {
  encrypted: "is encrypted: take the passphrase off, as `openssl pkey -in key.pem` does",
  publicKey: "is a public key: send the private key of the pair",
  certificate: "is a certificate: send the private key that belongs to it",
  openSsh: "is a key in OpenSSH's own format: convert it with `ssh-keygen -p -m pkcs8 -f key`",
  several: "holds more than one private key: send one",
  noBegin: "is a private key without its BEGIN line",
  badBegin: "is a private key whose BEGIN line is damaged",
  noEnd: "is a private key that is cut off: its END line is missing, or is not that of its BEGIN line",
  cutOff: "is a private key that is cut off: characters between its BEGIN and END lines are missing",
  notBase64: "holds characters between its BEGIN and END lines that are not base64",
  another: "is not a private key, although it has BEGIN and END lines",
} as const;
export type PemFault = keyof typeof pemFaults;

/**
 * Whether a library could read a part of `text` as a PEM key: ccxt looks for the words, OpenSSL for the line
 * before them.
 */
export function mentionsKey(text: Uint8Array): boolean {
  const bytes = asBuffer(text);
  return bytes.includes(begin) || bytes.includes(end) || bytes.includes(words);
}

/**
 * Lends the DER of the single private key in `text` to `use`.
 * @returns the fault when there is no such key. Text before and after its block is skipped, as RFC 7468 §2
 * allows, and so are a certificate, a public key and the parameters of a curve, which tools write beside a
 * key. A line break may be any white space, and `\n` or `\r` with any number of backslashes before it.
 */
export function inPem<T>(text: Uint8Array, use: (der: Uint8Array) => T): T | PemFault {
  const blocks = blocksOf(asBuffer(text));
  if (typeof blocks === "string") return blocks;
  const [key, ...more] = blocks.filter(({ label }) => label.endsWith("PRIVATE KEY"));
  if (key === undefined) return faultOf(blocks[0]?.label ?? "");
  if (more.length > 0) return "several";
  if (key.label === "OPENSSH PRIVATE KEY") return "openSsh";
  // RFC 7468 §11 names it in the label; the older form of RFC 1421 §4.6.1.1 has a header.
  if (key.label === "ENCRYPTED PRIVATE KEY" || key.body.includes(encryptedHeader)) return "encrypted";
  return inBase64(key.body, use);
}

/** Lends the bytes of base64, in lines or not, to `use`. */
export function inBase64<T>(body: Uint8Array, use: (der: Uint8Array) => T): T | "cutOff" | "notBase64" {
  const decoded = new Uint8Array(new ArrayBuffer(Math.ceil(body.byteLength / 4) * 3));
  try {
    const length = decode(body, decoded);
    return typeof length === "string" ? length : use(decoded.subarray(0, length));
  } finally {
    decoded.fill(0);
  }
}

function blocksOf(bytes: Buffer): readonly Readonly<{ label: string; body: Buffer }>[] | PemFault {
  const blocks: Readonly<{ label: string; body: Buffer }>[] = [];
  let at = bytes.indexOf(begin);
  if (at === -1) return bytes.includes(end) ? "noBegin" : "badBegin";
  while (at !== -1) {
    const from = at + begin.byteLength;
    const to = bytes.indexOf(dashes, from);
    const label = to === -1 ? "" : bytes.toString("latin1", from, Math.min(to, from + longestLabel));
    if (!/^[A-Z0-9]+( [A-Z0-9]+)*$/.test(label)) return "badBegin";
    const last = Buffer.from(`-----END ${label}-----`);
    const close = bytes.indexOf(last, to);
    if (close === -1) return "noEnd";
    blocks.push({ label, body: bytes.subarray(to + dashes.byteLength, close) });
    at = bytes.indexOf(begin, close + last.byteLength);
  }
  return blocks;
}

const longestLabel = 64;

function faultOf(label: string): PemFault {
  if (label.endsWith("PUBLIC KEY")) return "publicKey";
  return label.endsWith("CERTIFICATE") ? "certificate" : "another";
}

/** Writes to `into`. @returns the number of bytes. */
function decode(body: Uint8Array, into: Uint8Array): number | "cutOff" | "notBase64" {
  let [bits, held, length, padding] = [0, 0, 0, 0];
  for (let at = 0; at < body.byteLength; at += 1) {
    const byte = body[at] ?? 0;
    if (isBlank(byte)) continue;
    if (byte === backslash) {
      while (body[at + 1] === backslash) at += 1;
      at += 1;
      if (!breaks.has(body[at] ?? 0)) return "notBase64";
      continue;
    }
    if (byte === equals) {
      padding += 1;
      continue;
    }
    const value = sextet(byte);
    if (value === undefined || padding > 0) return "notBase64";
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      into[length] = (held >> bits) & 0xff;
      length += 1;
    }
  }
  return (length + padding) % 3 === 0 && padding < 3 ? length : "cutOff";
}

const backslash = 0x5c;
const equals = 0x3d;
/** What may follow a backslash: n, r, or a line break, as shells and some formats escape it. */
const breaks: ReadonlySet<number> = new Set([0x6e, 0x72, 0x0a, 0x0d]);

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function sextet(byte: number): number | undefined {
  if (byte >= 0x41 && byte <= 0x5a) return byte - 0x41;
  if (byte >= 0x61 && byte <= 0x7a) return byte - 0x61 + 26;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30 + 52;
  if (byte === 0x2b) return 62;
  return byte === 0x2f ? 63 : undefined;
}

function asBuffer(text: Uint8Array): Buffer {
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength);
}
