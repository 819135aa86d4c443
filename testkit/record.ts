import { sql } from "kysely";
import type { Principal } from "../src/access/principal.ts";
import { exportChain } from "../src/audit/export.ts";
import type { RecordedEvent } from "../src/audit/scan.ts";
import { readEvents } from "../src/audit/search.ts";
import type { Db } from "../src/db/connect.ts";

/** The newest events of the tenant, oldest first; of one credential if named. */
export async function eventsOf(
  db: Db,
  principal: Principal,
  credentialId?: string,
): Promise<readonly RecordedEvent[]> {
  const filter = credentialId === undefined ? {} : { credentialId };
  const { items } = await readEvents(db, principal, filter, { limit: 500, beforeSeq: null });
  return items.toReversed();
}

export async function eventNames(
  db: Db,
  principal: Principal,
  credentialId?: string,
): Promise<readonly string[]> {
  return (await eventsOf(db, principal, credentialId)).map(({ event }) => event);
}

/** The tenant's chain as an export has it, line by line. */
export async function exportLines(db: Db, principal: Principal): Promise<string[]> {
  const lines: string[] = [];
  for await (const chunk of exportChain(db, principal)) lines.push(...chunk.trimEnd().split("\n"));
  return lines;
}

/** Every table of Keyhold with its number of rows; asked as the owner, who sees all. */
export async function countRows(owner: Db): Promise<Record<string, number>> {
  const { rows } = await sql<{ name: string }>`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname in ('public', 'audit') order by 1`.execute(owner);
  const counts: Record<string, number> = {};
  for (const { name } of rows) {
    const found = await sql<{ n: number }>`select count(*) as n from ${sql.raw(name)}`.execute(owner);
    counts[name] = found.rows[0]?.n ?? 0;
  }
  return counts;
}
