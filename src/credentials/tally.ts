/** How many were dealt with, and how many must be tried again. */
export type Tally = Readonly<{ done: number; failed: number }>;

/** So many at once; one that fails does not hold up the others. */
export async function each<T>(
  items: readonly T[],
  work: (item: T) => Promise<void>,
  atOnce = 1,
): Promise<Tally> {
  const left = items.values();
  let failed = 0;
  const worker = async (): Promise<void> => {
    for (const item of left) await work(item).catch(() => (failed += 1));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { done: items.length - failed, failed };
}
