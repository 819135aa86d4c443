import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { formatHead, formatLink, type Head } from "./chain.ts";
import { type EventFilter, indexedCondition, isEmpty } from "./event-filter.ts";
import { type Effort, type RecordedEvent, type Scan, scanIndex, scanLinks, stampOf } from "./scan.ts";
import { readBounds } from "./stretch.ts";

export type { EventFilter } from "./event-filter.ts";
export type { RecordedEvent } from "./scan.ts";

/** Where a page begins, and how many events it holds at most. */
type PageOfEvents = Readonly<{ limit: number; beforeSeq: number | null }>;

/** `next` is `null` at the end of the search, and only there. */
export type FoundEvents = Readonly<{ items: readonly RecordedEvent[]; next: number | null }>;

/** Events that a page looks at, however few of them it finds. */
const mostLookedAt = 1000;

/**
 * The tenant's events that a filter asks for, newest first, before `beforeSeq`. What is committed is found at once: the newest events
 * are read in their links, those before them by an index. A page that has looked at 1,000 events in either is done: it holds fewer
 * events than its limit, or none, and `next` goes on. Needs the scope `audit:read`.
 */
export async function readEvents(
  db: Db,
  principal: Principal,
  filter: EventFilter,
  { limit, beforeSeq }: PageOfEvents,
): Promise<FoundEvents> {
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
  effort: Effort,
): Promise<Scan> {
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

/** Links of a piece: they can be of hundreds of events each. */
const linksAtOnce = 250;

/**
 * The whole chain as lines of NDJSON, in order, exactly as it was hashed, and then its head: what `keyhold audit verify` reads. The
 * head is read first, so that what is recorded meanwhile makes no difference. Reads in pieces, so that an export of any length needs
 * little memory. Needs the scope `audit:read`.
 */
export async function* exportChain(db: Db, principal: Principal): AsyncGenerator<string> {
  assertScope(principal, "audit:read");
  const { head, last } = await readHead(db, principal);
  for (let after = 0; after < last;) {
    const links = await readLinks(db, principal, after, last);
    for (const { events, ...link } of links) {
      yield `${events}\n${formatLink(link)}\n`;
      after = link.link;
    }
    if (links.length < linksAtOnce) break;
  }
  yield `${formatHead(head)}\n`;
}

/** `last` is the newest link that there is. In a chain that was tampered with it is another than the head's, and the export shows that. */
async function readHead(db: Db, principal: Principal): Promise<Readonly<{ head: Head; last: number }>> {
  const { tenantId: tenant } = principal;
  const { rows } = await readTenant(db, scopeOf(principal), (tx) =>
    sql<Omit<Head, "tenant"> & Readonly<{ last: number }>>`
      select ${stampOf(sql`n.recorded_at`)} as at, encode(h.hash, 'hex') as hash, h.link, h.seq, n.link as last
      from audit.heads h cross join (
        select l.link, l.recorded_at from audit.links l where l.tenant_id = ${tenant}::uuid order by l.link desc limit 1
      ) n
      where h.tenant_id = ${tenant}::uuid`.execute(tx),
  );
  const [row] = rows;
  if (row === undefined) throw new Error("the tenant has no chain, or its chain has no head");
  const { last, ...head } = row;
  return { head: { ...head, tenant }, last };
}

async function readLinks(db: Db, principal: Principal, after: number, last: number) {
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("audit.links")
      .select(["tenant_id", "link", "event_count", "previous_hash", "hash", "events"])
      .where("tenant_id", "=", principal.tenantId)
      .where("link", ">", after)
      .where("link", "<=", last)
      .orderBy("link")
      .limit(linksAtOnce)
      .execute(),
  );
  return rows.map((row) => ({
    count: row.event_count,
    hash: hexOf(row.hash),
    link: row.link,
    previous: hexOf(row.previous_hash),
    tenant: row.tenant_id,
    events: row.events,
  }));
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
