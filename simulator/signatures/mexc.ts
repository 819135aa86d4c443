import { createHmac } from "node:crypto";
import { equal } from "./equal.ts";

/**
 * MEXC signs query and body together (see `signedPayload`): HMAC-SHA256 in lower-case hex. Method and path are not
 * signed. Source: mexc.com/api-docs/spot-v3, "Signed".
 */
export const verifyMexc = (payload: string, signature: string, secret: string): boolean =>
  equal(signature, createHmac("sha256", secret).update(payload).digest("hex"));
