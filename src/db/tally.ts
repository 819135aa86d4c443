/** How many items are done, and how many must be tried again. */
export type Tally = Readonly<{ done: number; failed: number }>;

/**
 * Works on `atOnce` items at a time; a failure does not stop the others. Throws what `items` throws, after
 * all begun work has ended.
 */
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

/** The sum of all tallies. Throws what one of them throws, after all have ended. */
export async function together(tallies: readonly Promise<Tally>[]): Promise<Tally> {
  await Promise.allSettled(tallies);
  const all = await Promise.all(tallies);
  return {
    done: all.reduce((sum, { done }) => sum + done, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}
