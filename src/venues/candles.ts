const secondMs = 1000;
const unitMs: Readonly<Record<string, number>> = {
  s: secondMs,
  m: 60 * secondMs,
  h: 3600 * secondMs,
  d: 86_400 * secondMs,
  w: 7 * 86_400 * secondMs,
  M: 31 * 86_400 * secondMs,
  y: 366 * 86_400 * secondMs,
};

/** The length of a candle in milliseconds, of a month and a year the longest. */
export function lengthOf(timeframe: string): number {
  return Number(timeframe.slice(0, -1)) * (unitMs[timeframe.slice(-1)] ?? 0);
}
