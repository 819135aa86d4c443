import type { RawBuilder } from "kysely";
import type { Db } from "./connect.ts";

/** How many were dealt with, and how many must be tried again. */
export type Tally = Readonly<{ done: number; failed: number }>;

/** What is due, as the functions of the schema `clock` return it. */
export type Due = Readonly<{ tenant_id: string; id: string }>;

/** What one round may take. */
export type Limits<T> = Readonly<{
  /** Items in work at once; one when left out. */
  atOnce?: number;
  /** Items in work at once that have the same word, such as a tenant or a venue. */
  bounds?: readonly Readonly<{ word: (item: T) => string; atOnce: number }>[];
  /** Nothing begins after so many milliseconds; what is left is for the next round. */
  roundMs?: number;
}>;

/** A round of this length ends before the clock begins the next, but for what is under way. */
export const roundMs = 45_000;

/** What a tenant's work may take of a round. */
export const byTenant = (atOnce: number) => ({
  word: ({ tenant_id }: Readonly<{ tenant_id: string }>) => `tenant ${tenant_id}`,
  atOnce,
});

/** Does what a statement finds due. */
export async function sweep<T>(
  db: Db,
  due: RawBuilder<T>,
  work: (item: T) => Promise<unknown>,
  limits: Limits<T> = {},
): Promise<Tally> {
  const { rows } = await due.execute(db);
  return doRound(rows, work, limits);
}

/**
 * Does what is due within limits, so that one tenant, key or venue that is slow leaves room for the others.
 * Items begin in their order as far as the bounds let them. An item that fails does not hold up the others.
 * Resolves when all that was begun has ended.
 */
export async function doRound<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  { atOnce = 1, bounds = [], roundMs = Infinity }: Limits<T>,
): Promise<Tally> {
  const over = performance.now() + roundMs;
  const inWork = new Map<string, number>();
  const underway = new Set<Promise<void>>();
  const tally = { done: 0, failed: 0 };
  const hasRoom = (item: T): boolean =>
    bounds.every((bound) => (inWork.get(bound.word(item)) ?? 0) < bound.atOnce);
  const begin = (item: T): void => {
    for (const { word } of bounds) inWork.set(word(item), (inWork.get(word(item)) ?? 0) + 1);
    const one = work(item)
      .then(
        () => void (tally.done += 1),
        () => void (tally.failed += 1),
      )
      .finally(() => {
        underway.delete(one);
        for (const { word } of bounds) inWork.set(word(item), (inWork.get(word(item)) ?? 0) - 1);
      });
    underway.add(one);
  };
  let left = [...items];
  for (;;) {
    const waiting: T[] = [];
    for (const item of left) {
      if (performance.now() < over && underway.size < atOnce && hasRoom(item)) begin(item);
      else waiting.push(item);
    }
    left = waiting;
    if (underway.size === 0) return tally;
    await Promise.race(underway);
  }
}

/**
 * Does what a list has or a generator yields, so many at once. An item that fails does not hold up the
 * others. Throws what `items` throws, once all that was begun has ended.
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

/** The sum of all tallies. Throws what one of them throws, once all have ended. */
export async function together(tallies: readonly Promise<Tally>[]): Promise<Tally> {
  await Promise.allSettled(tallies);
  const all = await Promise.all(tallies);
  return {
    done: all.reduce((sum, { done }) => sum + done, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}
