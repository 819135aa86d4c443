import { createHmac } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * Bitget signs time, method, path with query, and body: HMAC-SHA256 in base64.
 * Source: bitget.com/api-doc/common/signature.
 */
export function verifyBitget(
  signed: Readonly<{ timestamp: string; method: string; target: string; body: string }>,
  signature: string,
  secret: string,
): boolean {
  const text = signed.timestamp + signed.method + signed.target + signed.body;
  return equal(signature, createHmac("sha256", secret).update(text).digest("base64"));
}
