import { sql } from "kysely";
import { assertScope, type Principal, scopeOf, system } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import {
  type EventFilter,
  indexedCondition,
  isEmpty,
  readBounds,
  type RecordedEvent,
  scanIndex,
  scanLinks,
} from "./scan.ts";

/** How many events a page looks at, even if it finds few. */
const mostLookedAt = 1000;

/**
 * The events of the tenant that match a filter, newest first, before `beforeSeq`. Committed events are found
 * at once: the newest events are read in their links, and older ones by an index. A page ends after it has
 * looked at 1,000 events in either: then it has fewer events than its limit, or none. `next` is `null` only
 * at the end of the search. Needs the scope `audit:read`.
 */
export async function readEvents(
  db: Db,
  principal: Principal,
  filter: EventFilter,
  { limit, beforeSeq }: Readonly<{ limit: number; beforeSeq: number | null }>,
): Promise<Readonly<{ items: readonly RecordedEvent[]; next: number | null }>> {
  assertScope(principal, "audit:read");
  const most = limit + 1;
  const { items, reached } = await readTenant(db, scopeOf(principal), (tx) =>
    scan(tx, principal.tenantId, filter, beforeSeq, { most, look: isEmpty(filter) ? most : mostLookedAt }),
  );
  const page = items.slice(0, limit);
  return { items: page, next: items.length > limit ? (page.at(-1)?.seq ?? null) : reached };
}

async function scan(
  tx: TenantTx,
  tenantId: string,
  filter: EventFilter,
  beforeSeq: number | null,
  effort: Readonly<{ most: number; look: number }>,
): Promise<Readonly<{ items: readonly RecordedEvent[]; reached: number | null }>> {
  const bounds = await readBounds(tx, tenantId, filter, beforeSeq);
  if (bounds === null) return { items: [], reached: null };
  const { stretch, indexedLink, indexedSeq } = bounds;
  const condition = indexedCondition(filter);
  if (condition === null) return scanLinks(tx, tenantId, filter, stretch, effort);
  const firstLink = Math.max(stretch.firstLink, indexedLink + 1);
  const firstSeq = Math.max(stretch.firstSeq, indexedSeq + 1);
  const recent = await scanLinks(tx, tenantId, filter, { ...stretch, firstLink, firstSeq }, effort);
  const most = effort.most - recent.items.length;
  const lastSeq = Math.min(stretch.lastSeq, indexedSeq);
  if (recent.reached !== null || most === 0 || lastSeq < stretch.firstSeq) return recent;
  const older = await scanIndex(
    tx,
    tenantId,
    filter,
    condition,
    { ...stretch, lastSeq },
    { ...effort, most },
  );
  return { items: [...recent.items, ...older.items], reached: older.reached };
}

const eventsOfPage = 1000;
const mostPages = 5;

/**
 * The events that match a filter, newest first, for the service itself: the events of five pages of a search.
 * Each page looks at 2,000 events at most, so that a long record does not make it slow. If `isComplete` is
 * false, there may be older ones that were not looked at.
 */
export async function walkEvents(
  db: Db,
  tenantId: string,
  filter: EventFilter,
): Promise<Readonly<{ items: readonly RecordedEvent[]; isComplete: boolean }>> {
  const items: RecordedEvent[] = [];
  let beforeSeq: number | null = null;
  for (let page = 0; page < mostPages; page += 1) {
    const found = await readEvents(db, system(tenantId, "versions"), filter, {
      limit: eventsOfPage,
      beforeSeq,
    });
    items.push(...found.items);
    if (found.next === null) return { items, isComplete: true };
    beforeSeq = found.next;
  }
  return { items, isComplete: false };
}

/**
 * The events with the present names of their actors: the subject of a member or an operator, `null` for the
 * service itself, and the name of the API key. The record contains ids, because its text must not change when
 * a name does.
 */
export async function nameActors(db: Db, principal: Principal, events: readonly RecordedEvent[]) {
  const actors = events.map(actorOf);
  const members = idsOf(actors, "member_id");
  const keys = idsOf(actors, "api_key_id");
  const { subjects, names } = await readTenant(db, scopeOf(principal), async (tx) => ({
    subjects: await tx
      .selectFrom("members")
      .select(["id", "subject as name"])
      .where("id", "in", members)
      .execute(),
    names: await tx.selectFrom("api_keys").select(["id", "name"]).where("id", "in", keys).execute(),
  }));
  return events.map((event, at) => {
    const { member_id = null, api_key_id = null, subject = null } = actors[at] ?? {};
    return {
      ...event,
      actor_subject: subject ?? nameOf(subjects, member_id),
      actor_api_key: nameOf(names, api_key_id),
    };
  });
}

function actorOf({ detail }: RecordedEvent) {
  const actor: Record<string, unknown> = { ...Object.assign({}, detail["actor"]) };
  const textAt = (name: string): string | null => {
    const value = actor[name];
    return typeof value === "string" ? value : null;
  };
  return { member_id: textAt("member_id"), api_key_id: textAt("api_key_id"), subject: textAt("subject") };
}

/** An id that belongs to no row, because `in` needs a list that is not empty. */
const noRow = "00000000-0000-0000-0000-000000000000";

function idsOf(
  actors: readonly ReturnType<typeof actorOf>[],
  name: "member_id" | "api_key_id",
): readonly string[] {
  return [...new Set([noRow, ...actors.flatMap((actor) => actor[name] ?? [])])];
}

function nameOf(rows: readonly Readonly<{ id: string; name: string }>[], id: string | null): string | null {
  return rows.find((row) => row.id === id)?.name ?? null;
}

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
