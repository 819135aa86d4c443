const minute = 60;
const hour = 60 * minute;

/** Seconds after each failed attempt until the next, as Standard Webhooks suggests; the first attempt is made at once. */
const pauses = [
  5,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const;

/**
 * Seconds until a message that was tried `tries` times is tried again; `null` when it is given up. A tenth more or less, so that
 * what failed together does not come back together.
 */
export function nextTry(tries: number, random: number): number | null {
  const pause = pauses[tries - 1];
  return pause === undefined ? null : pause * (0.9 + 0.2 * random);
}

/** From so many failures in a row on, an endpoint is left alone for a while after each. */
const failuresBorne = 3;

/** Seconds for which nothing is sent to an endpoint after so many failures in a row: from 15 seconds to 10 minutes. */
export function pauseAfter(failures: number): number {
  if (failures < failuresBorne) return 0;
  return Math.min(15 * 2 ** (failures - failuresBorne), 10 * minute);
}
