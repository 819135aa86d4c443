import { hkdfSync, randomFillSync, timingSafeEqual } from "node:crypto";
import { decrypt, encryptInto, keyBytes, nonceBytes, tagBytes } from "./aes-gcm.ts";
import { assertUuid, beginsWith, lengthPrefixed, uuidBytes, uuidFromBytes, uuidToBytes } from "./bytes.ts";
import type { DataKey } from "./keys.ts";
import { Secret } from "./secret.ts";

/** What a sealed value is bound to: under another tenant, credential, version or field it does not open. */
export type SealContext = Readonly<{
  tenantId: string;
  credentialId: string;
  version: number;
  field: string;
}>;

declare const brand: unique symbol;

/**
 * Bytes in the envelope format. Only `seal` makes them; `asSealed` recognises them when a store returns them.
 */
export type Sealed = Uint8Array & { readonly [brand]: "sealed" };

/** All failures to open are alike: the name of the failed check would be an oracle for a forger. */
export class EnvelopeError extends Error {
  override readonly name = "EnvelopeError";

  constructor() {
    super("The sealed value does not open with this key in this context");
  }
}

/** Plaintext over this size is refused; no credential field comes near it. */
export const maxPlaintextBytes = 65_536;

// The layout is described in FORMAT.md; change the two together, and only with a new version number.
const format = "keyhold/envelope/1";
const prefix = Buffer.from("KHEV\x01\x01", "latin1"); // magic, version 1, algorithm 1
const commitmentBytes = 32;
const keyIdAt = prefix.byteLength;
const saltAt = keyIdAt + uuidBytes;
const commitmentAt = saltAt + 32;
const nonceAt = commitmentAt + commitmentBytes;
const ciphertextAt = nonceAt + nonceBytes;
const overheadBytes = ciphertextAt + tagBytes;

/**
 * Seals `plaintext` under a key of its own, derived from the data key and 32 random bytes. The caller
 * disposes of the plaintext. Throws `TypeError` for a malformed context and `RangeError` for an oversized
 * plaintext.
 */
export function seal(key: DataKey, context: SealContext, plaintext: Secret): Sealed {
  const { byteLength } = plaintext;
  if (byteLength > maxPlaintextBytes) {
    throw new RangeError(`a plaintext has at most ${maxPlaintextBytes} bytes`);
  }
  const bound = associatedData(key, context);
  const sealed = new Uint8Array(overheadBytes + byteLength);
  sealed.set(prefix);
  sealed.set(uuidToBytes(key.id), keyIdAt);
  randomFillSync(sealed, saltAt, ciphertextAt - saltAt); // salt and nonce; the commitment comes to lie between them

  using keys = deriveKeys(key, sealed.subarray(saltAt, commitmentAt), bound);
  sealed.set(keys.commitment, commitmentAt);
  const nonce = sealed.subarray(nonceAt, ciphertextAt);
  const target = sealed.subarray(ciphertextAt);
  plaintext.expose((bytes) => encryptInto(target, keys.encryption, nonce, bound, bytes));
  return asSealed(sealed);
}

/**
 * Opens what `seal` made with the same key and context. Throws `EnvelopeError` when it does not open, for any
 * reason, and `TypeError` for a malformed context.
 */
export function open(key: DataKey, context: SealContext, sealed: Sealed): Secret {
  const bound = associatedData(key, context);
  if (sealedWith(sealed) !== key.id) throw new EnvelopeError();

  using keys = deriveKeys(key, sealed.subarray(saltAt, commitmentAt), bound);
  // With AES-GCM alone a forger can make one ciphertext that opens under two keys, to different plaintexts.
  // The commitment is compared first, so a value opens only under the key that sealed it.
  if (!timingSafeEqual(keys.commitment, sealed.subarray(commitmentAt, nonceAt))) throw new EnvelopeError();

  const nonce = sealed.subarray(nonceAt, ciphertextAt);
  const plaintext = decrypt(keys.encryption, nonce, bound, sealed.subarray(ciphertextAt));
  if (plaintext === null) throw new EnvelopeError();
  return Secret.own(plaintext);
}

/** The id of the data key that a value is sealed with. */
export function sealedWith(sealed: Sealed): string {
  return uuidFromBytes(sealed.subarray(keyIdAt, saltAt));
}

/** Field names are short and plain, because they are bound and packed byte for byte. */
export function isFieldName(name: string): boolean {
  return /^[a-z][a-z0-9_]{0,63}$/.test(name);
}

/** Recognises an envelope by its form; only `open` shows whether it is authentic. Throws `EnvelopeError`. */
export function asSealed(bytes: Uint8Array): Sealed {
  if (!isSealed(bytes)) throw new EnvelopeError();
  return bytes;
}

function isSealed(bytes: Uint8Array): bytes is Sealed {
  return (
    bytes.byteLength >= overheadBytes &&
    bytes.byteLength <= overheadBytes + maxPlaintextBytes &&
    beginsWith(bytes, prefix)
  );
}

/**
 * Used twice: as HKDF info, so that the keys belong to this context, and as associated data of the cipher.
 */
function associatedData(key: DataKey, context: SealContext): Uint8Array {
  const { tenantId, credentialId, version, field } = context;
  assertUuid(key.id, "a data key's id");
  assertUuid(tenantId, "tenantId");
  assertUuid(credentialId, "credentialId");
  if (!Number.isSafeInteger(version) || version < 0) throw new TypeError("version must be a whole number");
  if (!isFieldName(field)) throw new TypeError("field must be a lower-case name of up to 64 characters");
  return lengthPrefixed([format, tenantId, credentialId, String(version), field, key.id]);
}

/**
 * One HKDF-SHA-512 block (RFC 5869): 32 bytes to encrypt with and 32 to commit with, zeroed at the end of the
 * scope.
 */
function deriveKeys(key: DataKey, salt: Uint8Array, info: Uint8Array) {
  const derived = new Uint8Array(hkdfSync("sha512", key.key, salt, info, keyBytes + commitmentBytes));
  return {
    encryption: derived.subarray(0, keyBytes),
    commitment: derived.subarray(keyBytes),
    [Symbol.dispose]: () => void derived.fill(0),
  };
}
