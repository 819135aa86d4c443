import { type RawBuilder, sql } from "kysely";

/** The subject of the member whose id is in a column; `null` for a member that the transaction does not see. */
export function subjectOf(column: "accounts.owner_id" | "api_keys.member_id"): RawBuilder<string | null> {
  return sql<string | null>`(select m.subject from members m where m.id = ${sql.ref(column)})`;
}
