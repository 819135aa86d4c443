import { createPrivateKey, generateKeyPairSync, type KeyObject, randomInt } from "node:crypto";
import type { FieldName } from "./venue.ts";

/** Letters and digits that base 58 has, so that a text in it stays one. */
const alphabets = ["123456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz"];
const hexDigits = "0123456789abcdef";

/**
 * A credential that no venue knows, in the form of this one, so that whatever signs with this one signs with it, too. Throws where a
 * private key cannot be read.
 */
export function madeUpKey(fields: ReadonlyMap<FieldName, string>): ReadonlyMap<FieldName, string> {
  return new Map([...fields].map(([name, value]) => [name, madeUp(value)] as const));
}

function madeUp(value: string): string {
  if (value.startsWith("-----BEGIN ")) return pemLike(value);
  // Some exchanges know a kind of key by its first word: `account-…`, `0x…`.
  const [prefix = ""] = /^(?:0x|[a-z]+[-_/])?/.exec(value) ?? [];
  const rest = value.slice(prefix.length);
  const isHex = /^[0-9a-f]*$/.test(rest);
  const other = rest.replaceAll(/./gs, (sign) => (isHex ? pick(hexDigits) : like(sign)));
  return other === rest && /[0-9A-Za-z]/.test(rest) ? madeUp(value) : prefix + other;
}

function like(sign: string): string {
  if (/[0-9]/.test(sign)) return pick(alphabets[0] ?? sign);
  if (/[A-Z]/.test(sign)) return pick(alphabets[1] ?? sign);
  return /[a-z]/.test(sign) ? pick(alphabets[2] ?? sign) : sign;
}

function pick(signs: string): string {
  return signs.charAt(randomInt(signs.length));
}

function pemLike(pem: string): string {
  const key = createPrivateKey(pem);
  const format = pem.includes("BEGIN EC ") ? "sec1" : pem.includes("BEGIN RSA ") ? "pkcs1" : "pkcs8";
  return keyLike(key).export({ type: format, format: "pem" });
}

function keyLike({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): KeyObject {
  switch (asymmetricKeyType) {
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    case "ec":
      return generateKeyPairSync("ec", { namedCurve: asymmetricKeyDetails.namedCurve ?? "P-256" }).privateKey;
    case "rsa":
      return generateKeyPairSync("rsa", { modulusLength: asymmetricKeyDetails.modulusLength ?? 2048 })
        .privateKey;
    default:
      throw new TypeError(`no key is made up of the kind ${asymmetricKeyType}`);
  }
}
