/** How many were dealt with, and how many must be tried again. */
export type Tally = Readonly<{ done: number; failed: number }>;

/** So many at once; one that fails does not hold up the others. Throws what `items` throws, once all that was begun has ended. */
export async function each<T>(
  items: readonly T[] | AsyncGenerator<T>,
  work: (item: T) => Promise<void>,
  atOnce = 1,
): Promise<Tally> {
  const left = Symbol.asyncIterator in items ? items : items.values();
  const worker = async (): Promise<Tally> => {
    let [done, failed] = [0, 0];
    for await (const item of left) {
      await work(item).then(
        () => (done += 1),
        () => (failed += 1),
      );
    }
    return { done, failed };
  };
  return together(Array.from({ length: atOnce }, worker));
}

/** What all of them came to. Throws what one of them throws, once all have ended. */
export async function together(tallies: readonly Promise<Tally>[]): Promise<Tally> {
  await Promise.allSettled(tallies);
  const all = await Promise.all(tallies);
  return {
    done: all.reduce((sum, { done }) => sum + done, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}
