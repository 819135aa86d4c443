import { createPrivateKey, generateKeyPair, type KeyObject, randomInt } from "node:crypto";
import { promisify } from "node:util";
import type { FieldName } from "../venue.ts";

/** Letters and digits that base 58 has, so that a text in it stays one. */
const alphabets = ["123456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz"];
const hexDigits = "0123456789abcdef";

const generate = promisify(generateKeyPair);

/**
 * A credential that no venue knows, in the form of this one, so that whatever signs with this one signs with
 * it, too. Throws where a private key cannot be read.
 */
export async function madeUpKey(
  fields: ReadonlyMap<FieldName, string>,
): Promise<ReadonlyMap<FieldName, string>> {
  const entries = [...fields].map(async ([name, value]) => [name, await madeUp(value)] as const);
  return new Map(await Promise.all(entries));
}

async function madeUp(value: string): Promise<string> {
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

async function pemLike(pem: string): Promise<string> {
  const key = createPrivateKey(pem);
  const format = pem.includes("BEGIN EC ") ? "sec1" : pem.includes("BEGIN RSA ") ? "pkcs1" : "pkcs8";
  return (await keyLike(key)).export({ type: format, format: "pem" });
}

/** A large RSA key takes seconds, in which the event loop of the process turns for the calls of others. */
async function keyLike({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): Promise<KeyObject> {
  switch (asymmetricKeyType) {
    case "ed25519":
      return (await generate("ed25519")).privateKey;
    case "ec":
      return (await generate("ec", { namedCurve: asymmetricKeyDetails.namedCurve ?? "P-256" })).privateKey;
    case "rsa":
      return (await generate("rsa", { modulusLength: asymmetricKeyDetails.modulusLength ?? 2048 }))
        .privateKey;
    default:
      throw new TypeError(`no key is made up of the kind ${asymmetricKeyType}`);
  }
}
