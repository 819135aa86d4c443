import { createHmac } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * OKX signs time, method, path with query, and body: HMAC-SHA256 in base64.
 * Source: okx.com/docs-v5, "REST authentication".
 */
export function verifyOkx(
  signed: Readonly<{ timestamp: string; method: string; target: string; body: string }>,
  signature: string,
  secret: string,
): boolean {
  const text = signed.timestamp + signed.method + signed.target + signed.body;
  return equal(signature, createHmac("sha256", secret).update(text).digest("base64"));
}
