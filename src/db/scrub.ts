import { DatabaseError } from "pg";

/**
 * The facts of a PostgreSQL error that contain no value of a row; null for any other error. Message, detail,
 * where and internalQuery are left out, because they quote values: `Key (label)=(…) already exists`, `invalid
 * input syntax for … "…"`.
 */
export function scrubDatabaseError(error: unknown): Readonly<{
  code: string | undefined;
  severity: string | undefined;
  table: string | undefined;
  constraint: string | undefined;
  routine: string | undefined;
}> | null {
  if (!(error instanceof DatabaseError)) return null;
  const { code, severity, table, constraint, routine } = error;
  return { code, severity, table, constraint, routine };
}
