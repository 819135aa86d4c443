import type { ColumnType } from "kysely";

/** A time that the database sets when it is not given. */
export type Time = ColumnType<Date, Date | undefined, Date>;
export type TimeOrNull = ColumnType<Date | null, Date | null | undefined, Date | null>;
