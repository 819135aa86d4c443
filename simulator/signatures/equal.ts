import { timingSafeEqual } from "node:crypto";

/** True when both texts are the same, bit by bit: no normalising of case, padding or space. */
export function equal(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
