import { createHmac } from "node:crypto";
import { equal } from "./equal.ts";

const mac = (text: string, secret: string): string =>
  createHmac("sha256", secret).update(text).digest("base64");

/**
 * KuCoin signs time, method, path with query, and body: HMAC-SHA256 in base64.
 * Source: kucoin.com/docs-new/authentication, "Signing a message".
 */
export const verifyKucoin = (
  signed: Readonly<{ timestamp: string; method: string; target: string; body: string }>,
  signature: string,
  secret: string,
): boolean => equal(signature, mac(signed.timestamp + signed.method + signed.target + signed.body, secret));

/** Since key version 2 the passphrase does not travel: its HMAC-SHA256 under the secret does, in base64. */
export const verifyKucoinPassphrase = (given: string, passphrase: string, secret: string): boolean =>
  equal(given, mac(passphrase, secret));
