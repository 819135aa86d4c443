import { createDecipheriv, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import { KeyholdError } from "../errors.ts";
import { Secret } from "./secret.ts";

// Fernet, version 0x80 (github.com/fernet/spec), only to import what other programs sealed. Keyhold never
// writes it, because its tokens are bound to no row. Version ‖ time(8) ‖ IV(16) ‖ AES-128-CBC ‖
// HMAC-SHA-256(32), in base64url.
const version = 0x80;
const ivAt = 9;
const ciphertextAt = 25;
const blockBytes = 16;
const macBytes = 32;
const minimumBytes = ciphertextAt + blockBytes + macBytes;
const allowedClockSkewSeconds = 60;

type FernetKey = Readonly<{ signing: KeyObject; encryption: KeyObject }>;

/** All failures to open are alike: a difference between them would be an oracle. */
export class FernetError extends Error {
  override readonly name = "FernetError";

  constructor() {
    super("The Fernet token does not open with any of the keys, or it is too old");
  }
}

/** Reads a key as `Fernet.generate_key()` prints it. Throws `KeyholdError("malformed")`. */
export function parseFernetKey(text: string): FernetKey {
  const bytes = decodeBase64url(text);
  if (bytes?.byteLength !== 32) {
    throw new KeyholdError(
      "malformed",
      "A Fernet key is 32 bytes in URL-safe base64: 44 characters, the last one “=”.",
    );
  }
  const key = {
    signing: createSecretKey(bytes.subarray(0, 16)),
    encryption: createSecretKey(bytes.subarray(16)),
  };
  bytes.fill(0);
  return key;
}

/**
 * Opens a token with the first of `keys` that authenticates it. With `age`, a token over `ttlSeconds` old is
 * refused, and one from more than 60 seconds in the future. Throws `FernetError`, the same for every reason.
 */
export function openFernet(
  token: string,
  keys: readonly FernetKey[],
  age?: Readonly<{ ttlSeconds: number; now: Date }>,
): Secret {
  const bytes = decodeBase64url(token);
  if (bytes === null || bytes.byteLength < minimumBytes || bytes[0] !== version) throw new FernetError();
  // No part of the token is trusted, not even its time, before its MAC is verified.
  const key = keys.find((candidate) => isAuthentic(bytes, candidate));
  if (key === undefined) throw new FernetError();
  if (age !== undefined && !isTimely(bytes, age)) throw new FernetError();
  const plaintext = decrypt(bytes, key);
  if (plaintext === null) throw new FernetError();
  return plaintext;
}

function isAuthentic(token: Uint8Array, key: FernetKey): boolean {
  const mac = createHmac("sha256", key.signing).update(token.subarray(0, -macBytes)).digest();
  return timingSafeEqual(mac, token.subarray(-macBytes));
}

function isTimely(token: Uint8Array, age: Readonly<{ ttlSeconds: number; now: Date }>): boolean {
  const madeAt = Number(Buffer.from(token.subarray(1, ivAt)).readBigUInt64BE());
  const now = Math.floor(age.now.getTime() / 1000);
  return madeAt + age.ttlSeconds >= now && madeAt <= now + allowedClockSkewSeconds;
}

function decrypt(token: Uint8Array, key: FernetKey): Secret | null {
  const iv = token.subarray(ivAt, ciphertextAt);
  const decipher = createDecipheriv("aes-128-cbc", key.encryption, iv);
  using head = Secret.take(decipher.update(token.subarray(ciphertextAt, -macBytes)));
  try {
    using tail = Secret.take(decipher.final());
    return Secret.join([head, tail]);
  } catch {
    return null; // the length is no multiple of the block, or the padding is wrong
  }
}

/** With padding, as the specification writes it; `null` for anything else. */
function decodeBase64url(text: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url", lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}
