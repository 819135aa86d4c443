import { createHash, createHmac } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * Kraken signs the path and the SHA-256 of nonce and body: HMAC-SHA512 under the secret decoded from base64, the
 * result in base64. The method is not signed. Source: docs.kraken.com, "Spot REST authentication".
 */
export function verifyKraken(
  signed: Readonly<{ path: string; nonce: string; body: string }>,
  signature: string,
  secret: string,
): boolean {
  const digest = createHash("sha256")
    .update(signed.nonce + signed.body)
    .digest();
  const mac = createHmac("sha512", Buffer.from(secret, "base64")).update(signed.path).update(digest);
  return equal(signature, mac.digest("base64"));
}
