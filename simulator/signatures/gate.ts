import { createHash, createHmac } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * Gate signs method, path, query (decoded), SHA-512 of the body, and time in seconds, a line each: HMAC-SHA512 in
 * hex. Source: gate.com/docs/developers/apiv4, "APIv4 signed request requirements".
 */
export function verifyGate(
  signed: Readonly<{ method: string; path: string; query: string; body: string; timestamp: string }>,
  signature: string,
  secret: string,
): boolean {
  const bodyHash = createHash("sha512").update(signed.body).digest("hex");
  const text = [signed.method, signed.path, signed.query, bodyHash, signed.timestamp].join("\n");
  return equal(signature, createHmac("sha512", secret).update(text).digest("hex"));
}
