import { type RawBuilder, sql, type SqlBool } from "kysely";

/** A page of a list, newest first, begins after this row. The id orders rows of equal time. */
export type After = Readonly<{ createdAt: Date; id: string }>;

export type PageRequest = Readonly<{ limit: number; after: After | null }>;

/** One page, and the cursor of the next; `null` at the end of the list. */
export type Page<T> = Readonly<{ items: readonly T[]; next: After | null }>;

/** Makes a page from rows that were selected with a limit of one more than the page has. */
export function toPage<Row extends { id: string; created_at: Date }, T>(
  rows: readonly Row[],
  limit: number,
  describe: (row: Row) => T,
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next = rows.length > limit && last !== undefined ? { createdAt: last.created_at, id: last.id } : null;
  return { items: shown.map(describe), next };
}

/** The condition for the rows after the cursor of a page. Use with `order by created_at desc, id desc`. */
export function beyond({ after }: PageRequest): RawBuilder<SqlBool> {
  return after === null ? sql`true` : sql`(created_at, id) < (${after.createdAt}, ${after.id}::uuid)`;
}
