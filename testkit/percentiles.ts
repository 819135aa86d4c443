/** The nearest-rank percentile: the smallest value that at least `share` (0 to 1) of all values do not exceed. NaN of nothing. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export function median(values: Iterable<number>): number {
  return percentile(Float64Array.from(values).sort(), 0.5);
}
