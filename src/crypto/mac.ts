import { createHmac, hkdfSync } from "node:crypto";
import { lengthPrefixed } from "./bytes.ts";
import type { DataKey } from "./keys.ts";

const format = "keyhold/mac/1";
const noSalt = new Uint8Array(0);

/**
 * HMAC-SHA-256 of `bytes` under a key that HKDF (RFC 5869) derives from the data key for this purpose alone.
 * A value for one purpose is invalid for another, and reveals nothing of what the data key seals.
 */
export function deriveMac(key: DataKey, purpose: string, bytes: Uint8Array): Uint8Array {
  const info = lengthPrefixed([format, purpose]);
  const macKey = new Uint8Array(hkdfSync("sha256", key.key, noSalt, info, 32));
  try {
    return createHmac("sha256", macKey).update(bytes).digest();
  } finally {
    macKey.fill(0);
  }
}
