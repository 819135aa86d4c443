import type { ColumnType } from "kysely";

/** What the database and the record write of a row that gives rights, and nothing else does. */
export interface Signed {
  grant_number: ColumnType<number, never, never>;
  grant_mac: ColumnType<Uint8Array | null, never, never>;
}
