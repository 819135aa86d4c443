const minute = 60;
const hour = 60 * minute;

/**
 * Seconds after each failed attempt until the next, as Standard Webhooks suggests. The first attempt is made
 * immediately.
 */
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
 * Seconds until the next attempt at a message that was tried `tries` times; `null` if there is none. It
 * varies by a tenth, so that messages that failed together are not retried together.
 */
export function nextTry(tries: number, random: number): number | null {
  const pause = pauses[tries - 1];
  return pause === undefined ? null : pause * (0.9 + 0.2 * random);
}

/** After this many failures in a row, a webhook is paused after each failure. */
const failuresWithoutPause = 3;

/** How long a webhook is paused after so many failures in a row: 15 seconds to 10 minutes. */
export function pauseAfter(failures: number): number {
  if (failures < failuresWithoutPause) return 0;
  return Math.min(15 * 2 ** (failures - failuresWithoutPause), 10 * minute);
}
