import { bitsOf, type Element, elementsOf, positiveOf, sequenceOf, tags } from "./der.ts";
import { inBase64, inPem, type KeyLabel, mentionsKey } from "./pem.ts";

/** What `isSafeMaterial` accepts, for a message. */
export const safeMaterial =
  "one unencrypted PEM block with an Ed25519 key, a P-256 key, or an RSA key of 2048 to 4096 bits with a public exponent below 2^32, or any other text of at most 1024 bytes";

/** No shared secret is so long, and no signer can make much work of so few bytes. */
const longestText = 1024;

/**
 * Whether a signer works with `text` in bounded time. Signing is synchronous, so a key that makes it slow stops every call in its
 * process: OpenSSL needs half a minute for a signature with an RSA key of 24,000 bits. Only sizes and object identifiers are read, and
 * from the bytes: no number of the key is computed with, and no string is made.
 */
export function isSafeMaterial(text: Uint8Array): boolean {
  if (mentionsKey(text)) return inPem(text, isSafeKey);
  // LBank takes the base64 of a PKCS#8 key without its PEM lines.
  return text.byteLength <= longestText || inBase64(text, isPkcs8);
}

function isSafeKey(label: KeyLabel, der: Uint8Array): boolean {
  switch (label) {
    case "PRIVATE KEY":
      return isPkcs8(der);
    case "RSA PRIVATE KEY":
      return isRsa(der);
    case "EC PRIVATE KEY":
      return isP256(der, "named here");
  }
}

const oids = {
  rsa: Buffer.from("2a864886f70d010101", "hex"),
  ec: Buffer.from("2a8648ce3d0201", "hex"),
  p256: Buffer.from("2a8648ce3d030107", "hex"),
  ed25519: Buffer.from("2b6570", "hex"),
};

/** RFC 5958: version, algorithm, key. Attributes are refused, since no venue needs them. */
function isPkcs8(der: Uint8Array): boolean {
  const [version, algorithm, key, publicKey, ...more] = sequenceOf(der) ?? [];
  if (version?.tag !== tags.integer || algorithm?.tag !== tags.sequence) return false;
  if (key?.tag !== tags.octets || more.length > 0) return false;
  const [kind, parameter, ...others] = elementsOf(algorithm.content) ?? [];
  if (others.length > 0) return false;
  if (isOid(kind, oids.ed25519)) return parameter === undefined && isEd25519(key.content, publicKey);
  if (publicKey !== undefined) return false;
  if (isOid(kind, oids.rsa)) return isRsa(key.content);
  return isOid(kind, oids.ec) && isOid(parameter, oids.p256) && isP256(key.content, "named before");
}

/** RFC 8410 §7. The public key may stand behind it. */
function isEd25519(key: Uint8Array, publicKey: Element | undefined): boolean {
  const isPublic = publicKey === undefined || (publicKey.tag === 0x81 && publicKey.content.byteLength === 33);
  return isPublic && key.byteLength === 34 && key[0] === tags.octets && key[1] === 32;
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
  if (!isVersion(version, 1) || key?.tag !== tags.octets || key.content.byteLength !== 32) return false;
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
