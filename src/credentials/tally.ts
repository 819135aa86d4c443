/** How many were dealt with, and how many must be tried again. */
export type Tally = Readonly<{ done: number; failed: number }>;

/** One after the other; one that fails does not hold up the others. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<Tally> {
  let failed = 0;
  for (const item of items) await work(item).catch(() => (failed += 1));
  return { done: items.length - failed, failed };
}
