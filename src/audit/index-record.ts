import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

/** Tenants in one statement. */
const tenantsAtOnce = 1000;
/** Events of one transaction. */
const portion = 5000;
/** Portions of one round at most, over all tenants. The rest comes in the next round. */
const mostPortions = 200;

/**
 * Adds committed events to the index of events, and removes those of erased tenants. Any number of processes
 * share this work: a tenant that one works on is skipped by the others. Each portion is a transaction, so
 * that a process that ends in between loses and repeats nothing. Tenants take turns, with one portion each.
 */
export async function indexRecord({
  db,
}: Readonly<{ db: Db }>): Promise<Readonly<{ done: number; failed: number }>> {
  const tally = { done: 0, failed: 0 };
  let portions = 0;
  for (let due = await dueTenants(db); due.length > 0 && portions < mostPortions;) {
    const unfinished: string[] = [];
    for (const tenantId of due) {
      const events = await indexPortion(db, tenantId).catch(() => null);
      portions += 1;
      if (events === null) tally.failed += 1;
      else tally.done += events;
      if (events !== null && events > 0) unfinished.push(tenantId);
      if (portions >= mostPortions) break;
    }
    due = unfinished;
  }
  return tally;
}

/** Tenants with events to be indexed or removed, in order. */
async function dueTenants(db: Db): Promise<string[]> {
  const due: string[] = [];
  for (let after = "00000000-0000-0000-0000-000000000000"; ;) {
    const { rows } = await sql<{ tenant_id: string; due: boolean }>`
      select * from audit.index_due(${after}::uuid, ${tenantsAtOnce})`.execute(db);
    due.push(...rows.filter((row) => row.due).map(({ tenant_id }) => tenant_id));
    const last = rows.at(-1);
    if (last === undefined || rows.length < tenantsAtOnce) return due;
    after = last.tenant_id;
  }
}

/** @returns how many events were added or removed. */
async function indexPortion(db: Db, tenantId: string): Promise<number> {
  const { rows } = await sql<{ events: number }>`
    select audit.index_events(${tenantId}::uuid, ${portion}) as events`.execute(db);
  return rows[0]?.events ?? 0;
}
