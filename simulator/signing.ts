import { timingSafeEqual } from "node:crypto";

/** True when both texts are the same, bit by bit: no normalising of case, padding or space. */
export function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/**
 * For venues that sign query and body together: both as they were sent, one after the other, without the
 * `signature` itself, which may stand anywhere in either.
 */
export const signedPayload = (query: string, body: string): string =>
  withoutSignature(query) + withoutSignature(body);

const withoutSignature = (text: string): string =>
  text
    .split("&")
    .filter((part) => !part.startsWith("signature="))
    .join("&");
