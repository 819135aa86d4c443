import { inBase64, inPem, mentionsKey, type PemFault, pemFaults } from "./pem.ts";

/** Kinds of private keys that sign in bounded time. */
export type KeyKind = "Ed25519" | "P-256" | "RSA";

/** PKCS#8 (RFC 5958), PKCS#1 (RFC 8017), SEC 1 (RFC 5915). */
type KeyForm = "pkcs8" | "pkcs1" | "sec1";

/** A private key whose sizes were checked. `der` is valid only during the call that lends it. */
export type JudgedKey = Readonly<{ kind: KeyKind; form: KeyForm; der: Uint8Array }>;

/** Why a text that mentions a private key contains none, as a predicate whose subject is the field. */
export type KeyFault = Readonly<{ fault: string; about: PemFault | "kind" | "size" }>;

/** No shared secret is longer, and so few bytes cannot make a signer slow. */
const longestText = 1024;

/**
 * Lends the private key in `text` to `use` after a check that its sizes are harmless.
 * @returns `undefined` when the text is no private key and can be given to any signer. Signing is
 * synchronous, so a slow key stops each call in its process: OpenSSL needs half a minute for a signature with
 * an RSA key of 24,000 bits. Only sizes and object identifiers are read, directly from the bytes: there is no
 * computation with numbers of the key, and no string of it. `bare`: whether base64 of PKCS#8 without its PEM
 * lines counts as a private key.
 */
export function withKey<T>(
  text: Uint8Array,
  use: (key: JudgedKey) => T,
  { bare = false }: Readonly<{ bare?: boolean }> = {},
): T | KeyFault | undefined {
  const lend = (der: Uint8Array): T | KeyFault => {
    const judged = judge(der);
    return "fault" in judged ? judged : use({ ...judged, der });
  };
  if (mentionsKey(text)) return orFault(inPem(text, lend));
  if (bare && isBareKey(text)) return orFault(inBase64(text, lend));
  return text.byteLength <= longestText ? undefined : { fault: tooLong, about: "size" };
}

const tooLong = `is longer than ${longestText} bytes and is no private key that is taken`;

/** Whether `text` is a private key in base64 or hexadecimal without its PEM lines. */
export function isBareKey(text: Uint8Array): boolean {
  const bytes = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const isKey = (der: Uint8Array): boolean => formOf(sequenceOf(der)) !== undefined;
  if (inBase64(text, isKey) === true) return true;
  if (bytes.byteLength % 2 !== 0 || !bytes.every(isHexDigit)) return false;
  const decoded = Buffer.alloc(bytes.byteLength / 2);
  try {
    bytes.forEach((digit, at) => (decoded[at >> 1] = ((decoded[at >> 1] ?? 0) << 4) | hexValue(digit)));
    return isKey(decoded);
  } finally {
    decoded.fill(0);
  }
}

function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

function hexValue(digit: number): number {
  return digit <= 0x39 ? digit - 0x30 : (digit | 0x20) - 0x61 + 10;
}

function orFault<T>(result: T | PemFault): T | KeyFault {
  return isPemFault(result) ? { fault: pemFaults[result], about: result } : result;
}

function isPemFault(result: unknown): result is PemFault {
  return typeof result === "string" && Object.hasOwn(pemFaults, result);
}

const faults = {
  cutOff: { fault: pemFaults.cutOff, about: "cutOff" },
  unreadable: { fault: "holds no private key that OpenSSL reads between its lines", about: "another" },
  otherKind: { fault: "is neither an Ed25519 key, nor a P-256 key, nor an RSA key", about: "kind" },
  otherCurve: { fault: "is a key on another curve than P-256, or does not name its curve", about: "kind" },
  rsaSize: {
    fault: "is an RSA key of another size than 2048 to 4096 bits with a public exponent below 2^32",
    about: "size",
  },
} as const satisfies Readonly<Record<string, KeyFault>>;

/** The structure decides, not the label: OpenSSL also reads PKCS#8 under the label of SEC 1. */
function judge(der: Uint8Array): Readonly<{ kind: KeyKind; form: KeyForm }> | KeyFault {
  const parts = sequenceOf(der);
  if (parts === undefined) return isLongerThan(der) ? faults.cutOff : faults.unreadable;
  switch (formOf(parts)) {
    case "pkcs8":
      return judgePkcs8(parts);
    case "pkcs1":
      return isRsa(der) ? { kind: "RSA", form: "pkcs1" } : faults.rsaSize;
    case "sec1":
      return isP256(der, "named here") ? { kind: "P-256", form: "sec1" } : faults.otherCurve;
    case undefined:
      return faults.unreadable;
  }
}

/** Whether the sequence that `der` begins with is longer than `der`. */
function isLongerThan(der: Uint8Array): boolean {
  const [tag, first = 0, second = 0, third = 0] = der;
  if (tag !== tags.sequence) return false;
  const length = first === 0x82 ? 4 + second * 256 + third : first === 0x81 ? 3 + second : 2 + first;
  return first <= 0x82 && length > der.byteLength;
}

/** The three structures differ in what follows the version. */
function formOf(parts: readonly Element[] | undefined): KeyForm | undefined {
  const [version, second, third] = parts ?? [];
  if (version?.tag !== tags.integer || version.content.byteLength !== 1) return undefined;
  if (second?.tag === tags.sequence) return third?.tag === tags.octets ? "pkcs8" : undefined;
  if (second?.tag === tags.octets) return "sec1";
  return second?.tag === tags.integer ? "pkcs1" : undefined;
}

const oids = {
  rsa: Buffer.from("2a864886f70d010101", "hex"),
  ec: Buffer.from("2a8648ce3d0201", "hex"),
  p256: Buffer.from("2a8648ce3d030107", "hex"),
  ed25519: Buffer.from("2b6570", "hex"),
};

/** Attributes and a public key after the private one are not read, and no signer gets them. */
const besidesKey: ReadonlySet<number> = new Set([0xa0, 0x81]);

/** RFC 5958: version, algorithm, key. */
function judgePkcs8([, algorithm, key, ...more]: readonly Element[]):
  | Readonly<{ kind: KeyKind; form: KeyForm }>
  | KeyFault {
  const [kind, parameter, ...others] = elementsOf(algorithm?.content ?? new Uint8Array()) ?? [];
  if (key === undefined || others.length > 0 || !more.every(({ tag }) => besidesKey.has(tag)))
    return faults.unreadable;
  if (isOid(kind, oids.ed25519)) {
    const isWhole = parameter === undefined && isEd25519(key.content);
    return isWhole ? { kind: "Ed25519", form: "pkcs8" } : faults.unreadable;
  }
  if (isOid(kind, oids.rsa)) return isRsa(key.content) ? { kind: "RSA", form: "pkcs8" } : faults.rsaSize;
  if (!isOid(kind, oids.ec)) return faults.otherKind;
  const isTaken = isOid(parameter, oids.p256) && isP256(key.content, "named before");
  return isTaken ? { kind: "P-256", form: "pkcs8" } : faults.otherCurve;
}

/** RFC 8410 §7. */
function isEd25519(key: Uint8Array): boolean {
  return key.byteLength === 34 && key[0] === tags.octets && key[1] === 32;
}

/** RFC 8017 A.1.2: n, e, d, p, q, dP, dQ, qInv. Version 1 would have further primes. */
function isRsa(der: Uint8Array): boolean {
  const [version, ...integers] = sequenceOf(der) ?? [];
  const numbers = integers.flatMap((integer) => positiveOf(integer) ?? []);
  if (!isVersion(version, 0) || integers.length !== 8 || numbers.length !== 8) return false;
  const [n = 0, e = 0, d = 0, p = 0, q = 0, ...shortCuts] = numbers.map(bitsOf);
  const [modulus, exponent, , first, second] = numbers;
  return (
    n >= 2048 &&
    n <= 4096 &&
    e >= 2 &&
    e <= 32 &&
    d <= n &&
    // The sizes of two numbers add up to that of their product, or to one bit more.
    (p + q === n || p + q === n + 1) &&
    shortCuts.every((size) => size <= Math.max(p, q)) &&
    [modulus, exponent, first, second].every(isOdd)
  );
}

/** RFC 5915: version, key, curve, public key. A curve in full, instead of by its name, may be of any size. */
function isP256(der: Uint8Array, curve: "named here" | "named before"): boolean {
  const [version, key, ...optional] = sequenceOf(der) ?? [];
  const size = key?.tag === tags.octets ? key.content.byteLength : 0;
  // Some tools omit leading zeros.
  if (!isVersion(version, 1) || size < 1 || size > 32) return false;
  const named = optional.find(({ tag }) => tag === 0xa0);
  const others = optional.filter((element) => element !== named);
  const isNamed = named === undefined ? curve === "named before" : isP256Name(named);
  return isNamed && others.length <= 1 && others.every(({ tag }) => tag === 0xa1);
}

function isP256Name({ content }: Element): boolean {
  const [name, ...more] = elementsOf(content) ?? [];
  return more.length === 0 && isOid(name, oids.p256);
}

function isOid(element: Element | undefined, oid: Uint8Array): boolean {
  return element?.tag === tags.oid && Buffer.compare(element.content, oid) === 0;
}

function isVersion(element: Element | undefined, version: number): boolean {
  return element?.tag === tags.integer && element.content.byteLength === 1 && element.content[0] === version;
}

function isOdd(magnitude: Uint8Array | undefined): boolean {
  return ((magnitude?.at(-1) ?? 0) & 1) === 1;
}

/** One element of DER (X.690): its tag and its content. */
type Element = Readonly<{ tag: number; content: Uint8Array }>;

const tags = { integer: 0x02, octets: 0x04, oid: 0x06, sequence: 0x30 } as const;

/**
 * The elements of `bytes`, one level deep; `undefined` unless all of `bytes` is DER. A length is compared
 * with the rest of the input before it is used, so the work is linear in the input. The contents are views of
 * `bytes`.
 */
function elementsOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const header = headerAt(bytes, at);
    if (header === undefined || header.end > bytes.byteLength) return undefined;
    elements.push({ tag: header.tag, content: bytes.subarray(header.begin, header.end) });
    at = header.end;
  }
  return elements;
}

/** The elements of the single sequence in `bytes`. */
function sequenceOf(bytes: Uint8Array): readonly Element[] | undefined {
  const elements = elementsOf(bytes);
  const [only] = elements ?? [];
  return elements?.length === 1 && only?.tag === tags.sequence ? elementsOf(only.content) : undefined;
}

/**
 * The magnitude of a positive INTEGER; `undefined` for zero, a negative number, or more bytes than it needs.
 */
function positiveOf(element: Element | undefined): Uint8Array | undefined {
  if (element?.tag !== tags.integer) return undefined;
  const { content } = element;
  const [first = 0x80, second = 0] = content;
  if (first >= 0x80) return undefined;
  if (first > 0) return content;
  return second >= 0x80 ? content.subarray(1) : undefined;
}

/** The number of bits of a magnitude that begins with no zero byte. */
function bitsOf(magnitude: Uint8Array): number {
  return magnitude.byteLength * 8 - (Math.clz32(magnitude[0] ?? 0) - 24);
}

/** No key needs a length of more than two bytes, and 0x80 alone is the indefinite form of BER. */
function headerAt(
  bytes: Uint8Array,
  at: number,
): Readonly<{ tag: number; begin: number; end: number }> | undefined {
  const [tag, first, second, third] = bytes.subarray(at, at + 4);
  if (tag === undefined || first === undefined) return undefined;
  if (first < 0x80) return { tag, begin: at + 2, end: at + 2 + first };
  if (first === 0x81 && second !== undefined && second >= 0x80) {
    return { tag, begin: at + 3, end: at + 3 + second };
  }
  if (first !== 0x82 || second === undefined || second === 0 || third === undefined) return undefined;
  return { tag, begin: at + 4, end: at + 4 + second * 256 + third };
}
