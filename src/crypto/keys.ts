import {
  createHash,
  createSecretKey,
  generateKeySync,
  type KeyObject,
  randomFillSync,
  randomUUID,
} from "node:crypto";
import { decrypt, encryptInto, keyBytes, nonceBytes, tagBytes } from "./aes-gcm.ts";
import { assertUuid, lengthPrefixed } from "./bytes.ts";
import { Secret } from "./secret.ts";

/**
 * A key that seals. It lives long, so it is a `KeyObject`: its bytes are outside the JavaScript heap, are
 * never printed, and are cleansed when it is freed.
 */
export type DataKey = Readonly<{ id: string; key: KeyObject }>;

export function generateDataKey(): DataKey {
  return { id: randomUUID(), key: generateKeySync("aes", { length: keyBytes * 8 }) };
}

/**
 * Makes a data key from unwrapped bytes and zeroes them. Throws `TypeError` for another length or a malformed
 * id.
 */
export function importDataKey(id: string, material: Uint8Array): DataKey {
  assertUuid(id, "a data key's id");
  if (material.byteLength !== keyBytes) throw new TypeError(`a data key has ${keyBytes} bytes`);
  const key = createSecretKey(material);
  material.fill(0);
  return { id, key };
}

/** The bytes of the key, for wrapping. */
export function exportDataKey(key: DataKey): Secret {
  return Secret.take(key.key.export());
}

/** A key-encryption key and its fingerprint. */
export type WrappingKey = Readonly<{ id: string; key: KeyObject }>;

// The layout is described in FORMAT.md; change the two together, and only with a new version number.
const format = "keyhold/wrapped-key/1";
const fingerprintLabel = "keyhold/key-fingerprint/1";
const prefix = Buffer.from("KHWK\x01\x01", "latin1"); // magic, version 1, algorithm 1
const nonceAt = prefix.byteLength;
const ciphertextAt = nonceAt + nonceBytes;
const wrappedBytes = ciphertextAt + keyBytes + tagBytes;

/** The first 16 bytes of SHA-256 over a label and the key, in hex: a name that reveals nothing of the key. */
export function fingerprint(key: Uint8Array): string {
  return createHash("sha256").update(fingerprintLabel).update(key).digest("hex").slice(0, 32);
}

/**
 * Wraps 32 bytes, which do not unwrap under another tenant or id. Throws `TypeError` for another length or a
 * malformed binding.
 */
export function wrapKey(
  wrappingKey: WrappingKey,
  binding: Readonly<{ tenantId: string; dataKeyId: string }>,
  dataKey: Uint8Array,
): Uint8Array {
  if (dataKey.byteLength !== keyBytes) throw new TypeError(`a data key has ${keyBytes} bytes`);
  const wrapped = new Uint8Array(wrappedBytes);
  wrapped.set(prefix);
  randomFillSync(wrapped, nonceAt, nonceBytes);
  const nonce = wrapped.subarray(nonceAt, ciphertextAt);
  const bound = associatedData(wrappingKey, binding);
  encryptInto(wrapped.subarray(ciphertextAt), wrappingKey.key, nonce, bound, dataKey);
  return wrapped;
}

/** The data key, which the caller must zero; `null` when it does not unwrap with this key and binding. */
export function unwrapKey(
  wrappingKey: WrappingKey,
  binding: Readonly<{ tenantId: string; dataKeyId: string }>,
  wrapped: Uint8Array,
): Uint8Array | null {
  if (wrapped.byteLength !== wrappedBytes || !prefix.equals(wrapped.subarray(0, nonceAt))) return null;
  const nonce = wrapped.subarray(nonceAt, ciphertextAt);
  const bound = associatedData(wrappingKey, binding);
  return decrypt(wrappingKey.key, nonce, bound, wrapped.subarray(ciphertextAt));
}

function associatedData(
  { id }: WrappingKey,
  { tenantId, dataKeyId }: Readonly<{ tenantId: string; dataKeyId: string }>,
): Uint8Array {
  assertUuid(tenantId, "tenantId");
  assertUuid(dataKeyId, "dataKeyId");
  return lengthPrefixed([format, tenantId, dataKeyId, id]);
}

/** A data key is replaced after this many seal operations … */
export const rotateAfterOperations = 2 ** 28;

/** … or after this many days, if they pass first. */
export const rotateAfterDays = 90;

/**
 * The number of operations at which a key stops to seal: 10 % below 2^32, the bound on random nonces under
 * one AES-GCM key (NIST SP 800-38D §8.3), and the figure at which OpenBao retires a key. Each value has a
 * derived key of its own, so that the bound is never reached in fact. The limit gives a margin that needs no
 * argument.
 */
export const hardStopOperations = 3_865_470_566;
