import { assertScope, type Principal } from "../access/principal.ts";
import type { Custody } from "./custody.ts";
import { type Opened, openSecret } from "./open.ts";

/**
 * Returns the plaintext to a caller who may have it, after the record of it is committed: one JSON document
 * as bytes, off V8's heap, which the caller must zero once they are sent. Strings would stay in the heap and
 * cannot be zeroed. Throws what `openSecret` throws; `forbidden` without the scope.
 */
export async function reveal(
  custody: Pick<Custody, "db" | "disclosures" | "stores" | "dataKeys">,
  principal: Principal,
  credentialId: string,
  reason: string,
): Promise<Uint8Array> {
  assertScope(principal, "credentials:reveal");
  const request = {
    principal,
    credentialId,
    need: "reveal",
    revision: null,
    event: "credential.revealed",
    detail: { reason },
  } as const;
  return openSecret(custody, request, (opened) => Promise.resolve(document(credentialId, opened)));
}

function document(credentialId: string, { disclosure, fields }: Opened): Uint8Array {
  const head = { credential_id: credentialId, venue: disclosure.venue, environment: disclosure.environment };
  const open = JSON.stringify({ ...head, version: disclosure.version }).slice(0, -1) + ',"secret":{';
  // Every byte of a secret takes six at most (\u00XX); two quotes, a colon and a comma a field.
  const room = [...fields].reduce(
    (sum, [name, secret]) => sum + name.length + secret.byteLength * 6 + 6,
    open.length + 2,
  );
  const bytes = Buffer.from(new ArrayBuffer(room));
  let at = bytes.write(open, "latin1");
  let separator = "";
  for (const [name, secret] of fields) {
    at += bytes.write(`${separator}"${name}":`, at, "latin1");
    at = secret.expose((plaintext) => writeJsonText(bytes, at, plaintext));
    separator = ",";
  }
  at += bytes.write("}}", at, "latin1");
  return bytes.subarray(0, at);
}

const quote = 0x22;
const backslash = 0x5c;
const hexDigits = Buffer.from("0123456789abcdef");

/**
 * Writes UTF-8 text as a JSON string (RFC 8259 §7) without making a JavaScript string of it. Returns where it
 * ends in `target`, which needs room for six bytes a byte and two quotes.
 */
export function writeJsonText(target: Uint8Array, start: number, text: Uint8Array): number {
  let at = start;
  target[at++] = quote;
  for (const byte of text) {
    if (byte < 0x20) {
      target.set([backslash, 0x75, 0x30, 0x30, hexDigits[byte >> 4] ?? 0, hexDigits[byte & 15] ?? 0], at);
      at += 6;
    } else {
      if (byte === quote || byte === backslash) target[at++] = backslash;
      target[at++] = byte;
    }
  }
  target[at++] = quote;
  return at;
}
