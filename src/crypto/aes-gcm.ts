import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";

export const keyBytes = 32;
export const nonceBytes = 12;
export const tagBytes = 16;

const algorithm = "aes-256-gcm";
const options = { authTagLength: tagBytes };

/**
 * AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce; writes ciphertext ‖ 128-bit tag over the whole of
 * `target`, which is `tagBytes` longer than the plaintext.
 */
export function encryptInto(
  target: Uint8Array,
  key: KeyObject | Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): void {
  const cipher = createCipheriv(algorithm, key, nonce, options);
  cipher.setAAD(associatedData);
  target.set(cipher.update(plaintext));
  cipher.final();
  target.set(cipher.getAuthTag(), plaintext.byteLength);
}

/**
 * Decrypts ciphertext ‖ 128-bit tag into a buffer of its own, off V8's heap, which the caller must zero.
 * @returns `null` when the bytes are not authentic.
 */
export function decrypt(
  key: KeyObject | Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  encrypted: Uint8Array,
): Uint8Array<ArrayBuffer> | null {
  const end = encrypted.byteLength - tagBytes;
  if (end < 0) return null;
  const decipher = createDecipheriv(algorithm, key, nonce, options);
  decipher.setAAD(associatedData);
  decipher.setAuthTag(encrypted.subarray(end));
  // The plaintext is not authenticated before final() returns, so it must not be read before.
  const plaintext = decipher.update(encrypted.subarray(0, end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    plaintext.fill(0);
    return null;
  }
}
