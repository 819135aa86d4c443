import { z } from "zod";
import type { After, Page, PageRequest } from "../db/page.ts";
import type { Cursors, CursorScope } from "./cursor.ts";

type Query = Readonly<{ limit: number; cursor?: string }>;

/** A page as the API shows it. */
export type ShownPage<T> = Readonly<{ items: readonly T[]; next_cursor: string | null; count: number }>;

const position = z.tuple([z.iso.datetime(), z.uuid()]);
const sequence = z.tuple([z.int().positive()]);

/** Lists by age, whose position is the time and id of a row. */
export async function pageByAge<T>(
  cursors: Cursors,
  scope: Omit<CursorScope, "filter">,
  { limit, cursor, ...filter }: Query,
  read: (page: PageRequest) => Promise<Page<T>>,
): Promise<ShownPage<T>> {
  const whole = { ...scope, filter };
  const { items, next } = await read({ limit, after: await open(cursors, whole, cursor) });
  return {
    items,
    count: items.length,
    next_cursor: next === null ? null : await cursors.seal(whole, seal(next)),
  };
}

async function open(cursors: Cursors, scope: CursorScope, cursor: string | undefined): Promise<After | null> {
  if (cursor === undefined) return null;
  const [time, id] = await cursors.open(scope, cursor, position);
  return { createdAt: new Date(time), id };
}

function seal({ createdAt, id }: After): readonly [string, string] {
  return [createdAt.toISOString(), id];
}

/** Lists by number, whose position is the number that was shown last. */
export async function pageByNumber<T>(
  cursors: Cursors,
  scope: Omit<CursorScope, "filter">,
  { limit, cursor, ...filter }: Query,
  read: (
    page: Readonly<{ limit: number; beforeSeq: number | null }>,
  ) => Promise<Readonly<{ items: readonly T[]; next: number | null }>>,
): Promise<ShownPage<T>> {
  const whole = { ...scope, filter };
  const [beforeSeq] = cursor === undefined ? [null] : await cursors.open(whole, cursor, sequence);
  const { items, next } = await read({ limit, beforeSeq });
  return {
    items,
    count: items.length,
    next_cursor: next === null ? null : await cursors.seal(whole, [next]),
  };
}
