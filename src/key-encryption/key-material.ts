import { keyBytes } from "../crypto/aes-gcm.ts";

const maxKeys = 32;
export const maxContentBytes = maxKeys * keyBytes;

/** 32 random bytes have about 30 distinct values; fewer than 16 does not happen by chance. */
const minDistinctBytes = 16;

/**
 * Cuts the content of a key file into its keys, newest first, as views of `content`. When the content is not fit
 * to hold keys, the answer is the sentence that says why and what to do.
 */
export function splitKeys(content: Uint8Array): Uint8Array[] | string {
  const count = content.byteLength / keyBytes;
  if (!Number.isInteger(count) || count < 1 || count > maxKeys) {
    return `has a length that no key file has. It must hold 1 to ${maxKeys} raw keys of ${keyBytes} bytes each, newest first: restore it from your backup.`;
  }
  if (content.every(isPrintable)) {
    return "holds text. It must hold the raw bytes of the keys: decode the hex or base64 first.";
  }
  const keys = Array.from({ length: count }, (_, index) =>
    content.subarray(index * keyBytes, (index + 1) * keyBytes),
  );
  const weak = keys.findIndex((key) => new Set(key).size < minDistinctBytes);
  if (weak >= 0) {
    return `holds a key that is not random (number ${weak + 1} of ${count}). Restore the file from your backup; new keys come from a random generator.`;
  }
  if (keys.some((key, index) => keys.slice(0, index).some((other) => Buffer.compare(key, other) === 0))) {
    return "holds the same key twice. Remove the repeated key.";
  }
  return keys;
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d);
}
