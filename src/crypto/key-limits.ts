/** A data key is replaced after this many seal operations … */
export const rotateAfterOperations = 2 ** 28;

/** … or after this many days, whichever comes first. */
export const rotateAfterDays = 90;

/**
 * A key seals no more from here on: 10 % below 2^32, the bound on random nonces under one AES-GCM key
 * (NIST SP 800-38D §8.3), and the figure at which OpenBao retires a key. Each value has a key of its own, derived
 * with a salt, so the bound is not reached in fact; it is kept for a margin that needs no argument.
 */
export const hardStopOperations = 3_865_470_566;

export type KeyUse = Readonly<{ operations: number; createdAt: Date }>;

/** `rotate`: seal on, but make a successor. `exhausted`: must not seal any more; opens for ever. */
export function keyState(use: KeyUse, now: Date): "fresh" | "rotate" | "exhausted" {
  if (use.operations >= hardStopOperations) return "exhausted";
  const ageDays = (now.getTime() - use.createdAt.getTime()) / 86_400_000;
  return use.operations >= rotateAfterOperations || ageDays >= rotateAfterDays ? "rotate" : "fresh";
}
