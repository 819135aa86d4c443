import { createPrivateKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import { type JudgedKey, withKey } from "../../crypto/private-key.ts";
import type { KeySpelling } from "../exchanges/exchange.ts";
import { formOf, problemOf } from "../traits.ts";
import type { FieldName } from "../venue.ts";

export type FieldTexts = ReadonlyMap<FieldName, string>;

/**
 * The fields as the signer of the venue reads them: texts without the blanks around them, private keys in its
 * spelling. What was sent and stored stays as it is. A problem names the field and holds no value; where
 * there is one, no library gets any of the fields.
 */
export function spellFields(venue: string, given: FieldTexts): FieldTexts | Readonly<{ problem: string }> {
  const spelled = new Map<FieldName, string>();
  for (const [field, value] of given) {
    const text = value.trim();
    const problem = problemOf(venue, field, Buffer.from(text));
    if (problem !== undefined) return { problem: `${field} ${problem}.` };
    const key = readKey(venue, field, text);
    if (key === null) return { problem: `${field} holds no private key that OpenSSL reads.` };
    spelled.set(field, key ?? text);
  }
  return spelled;
}

/** Whether a field holds a private key. */
export function isPrivateKey(text: string): boolean {
  return withKey(Buffer.from(text.trim()), () => true) === true;
}

/**
 * The private key in the spelling of the venue's signer; `undefined` where the text is none, and `null` where
 * OpenSSL reads none.
 */
function readKey(venue: string, field: FieldName, text: string): string | null | undefined {
  const { keys = {}, bare = false } = formOf(venue, field);
  const read = withKey(Buffer.from(text), (judged) => spell(judged, keys[judged.kind]), { bare });
  return typeof read === "object" ? null : read;
}

/** OpenSSL gets the bytes that were judged, never the text: it may read another key out of that. */
function spell({ der, form }: JudgedKey, spelling: KeySpelling | undefined): string | null {
  if (spelling === undefined) return null;
  try {
    const key = createPrivateKey({ key: Buffer.from(der), format: "der", type: form });
    return spellings[spelling](key);
  } catch {
    // A number of the key is out of its range. The message may quote it.
    return null;
  }
}

const spellings: Readonly<Record<KeySpelling, (key: KeyObject) => string>> = {
  "PKCS#8 in PEM": (key) => pem("PRIVATE KEY", pkcs8(key)),
  "SEC 1 in PEM": (key) => pem("EC PRIVATE KEY", sec1(key)),
  "base64 of PKCS#8": (key) => pkcs8(key).toString("base64"),
  "base64 of the seed": (key) =>
    Buffer.from(octets.parse(key.export({ format: "jwk" })).d).toString("base64"),
  "base64 of the seed and the public key": (key) => {
    const { d, x } = octets.parse(key.export({ format: "jwk" }));
    return Buffer.concat([d, x]).toString("base64");
  },
};

const bytes = z.base64url().transform((text) => Buffer.from(text, "base64url"));
/** RFC 8037 §2. */
const octets = z.object({ d: bytes, x: bytes });
/** RFC 7518 §6.2. */
const point = z.object({ d: bytes, x: bytes, y: bytes });

/** Exported by OpenSSL, so nothing that stood beside the key is left. */
function pkcs8(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "pkcs8" });
}

/** RFC 5915 with both optional parts: OpenSSL leaves the public key out where it was left out before. */
function sec1(key: KeyObject): Buffer {
  const { d, x, y } = point.parse(key.export({ format: "jwk" }));
  const p256 = Buffer.from("a00a06082a8648ce3d030107", "hex");
  return Buffer.concat([
    Buffer.from("30770201010420", "hex"),
    d,
    p256,
    Buffer.from("a14403420004", "hex"),
    x,
    y,
  ]);
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").replaceAll(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
