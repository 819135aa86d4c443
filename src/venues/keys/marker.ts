import { createHash } from "node:crypto";

const prefix = "kh";
const digits = 18;

/**
 * The note that marks the key of one rotation at the venue, chosen before the key exists so that it can be found when
 * the answer to its creation was lost. The same for the same intent; tells nothing about it.
 *
 * 20 characters, a letter first, then lower-case letters and digits: the one form that every venue here accepts
 * (Bitget wants a letter first and at most 20, KuCoin at most 24).
 */
export function markerOf(intent: string): string {
  const hash = createHash("sha256").update("keyhold rotation 1\n").update(intent).digest("hex");
  const number = BigInt(`0x${hash}`) % 36n ** BigInt(digits);
  return prefix + number.toString(36).padStart(digits, "0");
}

const form = /^[a-z][a-z0-9]{7,}$/;

export function isMarker(text: string, longest: number): boolean {
  return form.test(text) && text.length <= longest;
}
