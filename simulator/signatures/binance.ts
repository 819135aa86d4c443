import { createHmac, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * Binance signs query and body together (see `signedPayload`): HMAC-SHA256 in hex, or RSA (PKCS #1 v1.5 with SHA-256) or Ed25519 in base64. Method, path and headers are not signed.
 * Source: binance-spot-api-docs, rest-api.md, "SIGNED endpoint security".
 */
export function verifyBinance(payload: string, signature: string, verifier: string | KeyObject): boolean {
  if (typeof verifier === "string") {
    // "The signature is not case sensitive" (request security, HMAC keys).
    return equal(signature.toLowerCase(), createHmac("sha256", verifier).update(payload).digest("hex"));
  }
  const digest = verifier.asymmetricKeyType === "ed25519" ? null : "sha256";
  const bytes = Buffer.from(signature, "base64");
  // Base64 that decodes to the same bytes in another spelling is another signature.
  return bytes.toString("base64") === signature && verify(digest, Buffer.from(payload), verifier, bytes);
}
