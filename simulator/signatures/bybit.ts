import { createHmac } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * Bybit v5 signs time, key, window and then the query (GET) or the body (POST): HMAC-SHA256 in hex. Method and path
 * are not signed. Source: bybit-exchange.github.io/docs/v5/guide, "Authentication".
 */
export function verifyBybit(
  signed: Readonly<{ timestamp: string; apiKey: string; recvWindow: string; payload: string }>,
  signature: string,
  secret: string,
): boolean {
  const text = signed.timestamp + signed.apiKey + signed.recvWindow + signed.payload;
  return equal(signature, createHmac("sha256", secret).update(text).digest("hex"));
}
