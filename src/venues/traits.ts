import { mentionsKey } from "../crypto/pem.ts";
import { isBareKey, type KeyFault, type KeyKind, withKey } from "../crypto/private-key.ts";
import type { FieldForm, Lifetime } from "./exchanges/exchange.ts";
import { traitsOf } from "./exchanges/index.ts";
import type { Environment, FieldName } from "./venue.ts";

export type { Lifetime } from "./exchanges/exchange.ts";

/** The rules of venues are about live keys; OKX says that its keys for demo trading do not end. */
export function lifetimeAt(venue: string, environment: Environment): Lifetime | undefined {
  return environment === "live" ? traitsOf(venue).lifetime : undefined;
}

/** What the signer of this venue takes in this field. */
export function formOf(venue: string, field: FieldName): FieldForm {
  return traitsOf(venue).fields?.[field] ?? {};
}

const longestBytes = 8192;

/**
 * What is wrong with the form of a field, as a predicate whose subject is the field; `undefined` for nothing.
 * It is judged from the bytes, and the answer holds none of them.
 */
export function problemOf(venue: string, field: FieldName, text: Uint8Array): string | undefined {
  if (text.byteLength === 0) return "is empty";
  if (text.byteLength > longestBytes) return `is longer than ${longestBytes} bytes`;
  // PEM keys are the one form that has line breaks (RFC 7468 §3), and anything may stand around them.
  const isKey = mentionsKey(text) || isBareKey(text);
  return (isKey ? undefined : textProblem(field, text)) ?? keyProblem(field, text, formOf(venue, field));
}

const quotes: ReadonlySet<number> = new Set(Buffer.from("\"'`"));

function textProblem(field: FieldName, text: Uint8Array): string | undefined {
  const [first] = text;
  const last = text.at(-1);
  if (text.some((byte) => byte > 0x7e)) return "holds characters other than ASCII";
  if (text.some((byte) => byte < 0x20)) return "holds a line break or another control character";
  if (first === 0x20 || last === 0x20) return "begins or ends with a space";
  // A passphrase is chosen by a person, and may have them.
  const isQuoted = text.byteLength > 1 && first === last && quotes.has(first ?? 0);
  return isQuoted && field !== "passphrase" ? "stands in quotes: send it without them" : undefined;
}

function keyProblem(field: FieldName, text: Uint8Array, form: FieldForm): string | undefined {
  const { keys = {}, bare = false, otherwise = "text" } = form;
  if (!bare && isBareKey(text)) return `is a private key without its BEGIN and END lines${wantedOf(form)}`;
  const taken = withKey(text, ({ kind }) => (keys[kind] === undefined ? kind : true), { bare });
  if (taken === true) return undefined;
  if (typeof taken === "string") return refusedKey(taken, form);
  if (taken !== undefined) return explained(taken, field, form);
  switch (otherwise) {
    case "text":
      return undefined;
    case "nothing":
      return `is not a private key${wantedOf(form)}`;
    case "base64":
      return base64Problem(text);
  }
}

/**
 * What a refusal of the venue may come from that the form alone does not show: 32 bytes in hexadecimal or
 * base64 are a shared secret as much as the seed of an Ed25519 key.
 */
export function doubtOf(venue: string, field: FieldName, text: string): string | undefined {
  if (formOf(venue, field).keys?.Ed25519 !== "PKCS#8 in PEM") return undefined;
  const isSeed = /^(?:0x)?[0-9a-f]{64}$/i.test(text) || /^[\w+/-]{43}=?$/.test(text);
  return isSeed ? `If ${field} is a bare Ed25519 key, send it as a PEM file instead.` : undefined;
}

function refusedKey(kind: KeyKind, form: FieldForm): string {
  const kinds = kindsOf(form);
  if (kinds === "") return "is a private key, which this field does not take";
  return `is a key of the kind ${kind}; ${kinds} is taken`;
}

function explained({ fault, about }: KeyFault, field: FieldName, form: FieldForm): string {
  if (about === "publicKey" && field === "api_key")
    return "is a public key: send the name or id that the venue gave to the key";
  const kinds = kindsOf(form);
  return kinds !== "" && (about === "kind" || about === "size") ? `${fault}; ${kinds} is taken` : fault;
}

function wantedOf(form: FieldForm): string {
  return kindsOf(form) === ""
    ? ", which this field does not take"
    : ": send the whole PEM file, with its lines";
}

function kindsOf({ keys = {} }: FieldForm): string {
  return Object.keys(keys).join(" or ");
}

/** RFC 4648 §4: groups of four characters of one alphabet. */
function base64Problem(text: Uint8Array): string | undefined {
  const characters = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const filled = characters.subarray(0, endOfData(characters));
  const padding = characters.byteLength - filled.byteLength;
  if (filled.every(isUrlSafe) && filled.some((byte) => byte === 0x2d || byte === 0x5f))
    return "is URL-safe base64: the venue gives it out with + and / instead of - and _";
  if (!filled.every(isBase64)) return "is not base64";
  if (characters.byteLength % 4 === 0 && padding < 3 && filled.byteLength > 0) return undefined;
  return "is base64 that is cut off: characters are missing, at its end often the signs =";
}

function endOfData(characters: Buffer): number {
  let end = characters.byteLength;
  while (end > 0 && characters[end - 1] === 0x3d) end -= 1;
  return end;
}

function isAlphanumeric(byte: number): boolean {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39);
}

function isBase64(byte: number): boolean {
  return isAlphanumeric(byte) || byte === 0x2b || byte === 0x2f;
}

function isUrlSafe(byte: number): boolean {
  return isAlphanumeric(byte) || byte === 0x2d || byte === 0x5f;
}
