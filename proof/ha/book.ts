import { randomUUID } from "node:crypto";
import { until } from "../../testkit/until.ts";
import type { Desk } from "./desk.ts";
import type { Event } from "./events.ts";
import type { Kept } from "./kept.ts";

/** Which process is asked for what. Writes and uncached reads go to two, so that no read is served from what a write left behind. */
export type Origins = Readonly<{ writes: string; reads: string; cached: string }>;

/** Credentials by what is known of them. But for `all`, each is in one place, or in the hands of one worker. */
export type Book = Readonly<{
  all: Kept[];
  /** Read once by the process that serves cached reads, and never replaced. */
  held: Kept[];
  /** The same, and left alone until they are wanted. */
  resting: Kept[];
  /** Written, and not seen yet by the process that reads. */
  unread: Kept[];
  /** The same, kept back until a fault, so that there is something to read while the store is away. */
  reserve: Kept[];
  /** The same, for orders. */
  untraded: Kept[];
  /** Read back, so that they may be replaced. */
  settled: Kept[];
}>;

const heldCount = 30;
const restingCount = 10;

/** Credentials that the process which serves cached reads has a copy of. */
export async function openBook(desk: Desk, { writes, cached }: Origins): Promise<Book> {
  const book: Book = { all: [], held: [], resting: [], unread: [], reserve: [], untraded: [], settled: [] };
  const open = async (place: Kept[], count: number): Promise<void> => {
    for (let number = 0; number < count; number += 1) {
      const kept = desk.newKept();
      const pair = desk.newPair(kept);
      const [secret, key] = [kept.send(pair), randomUUID()];
      await succeed(() => desk.write(writes, kept, secret, pair, key));
      await succeed(() => desk.read(cached, "uncached", kept));
      book.all.push(kept);
      place.push(kept);
    }
  };
  await Promise.all([
    open(book.held, heldCount / 2),
    open(book.held, heldCount / 2),
    open(book.resting, restingCount),
  ]);
  return book;
}

/** Before any fault, on a machine that may be busy. */
async function succeed(request: () => Promise<Event>): Promise<void> {
  let last: Event | undefined;
  const isDone = async (): Promise<true | null> => {
    last = await request();
    return last.outcome === "ok" ? true : null;
  };
  await until("the first secrets to be kept and read", isDone).catch((cause: unknown) => {
    throw new Error(`There is trouble before any fault: ${last?.code ?? last?.outcome}.`, { cause });
  });
}
