import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant } from "../db/tenant.ts";
import { formatLink } from "./chain.ts";

/** An event as it is read; `seq` counts the tenant's events from 1 without gaps. */
export type RecordedEvent = Readonly<{
  seq: number;
  at: string;
  event: string;
  outcome: string;
  detail: Readonly<Record<string, unknown>>;
}>;

export type EventFilter = Readonly<{
  credentialId?: string;
  event?: string;
  since?: Date;
  until?: Date;
}>;

/** The tenant's events, newest first, before `beforeSeq`. Needs the scope `audit:read`. */
export async function readEvents(
  db: Db,
  principal: Principal,
  filter: EventFilter,
  page: Readonly<{ limit: number; beforeSeq: number | null }>,
): Promise<Readonly<{ items: readonly RecordedEvent[]; next: number | null }>> {
  assertScope(principal, "audit:read");
  const { credentialId, event, since, until } = filter;
  const conditions = [
    page.beforeSeq === null
      ? sql`true`
      : // A link holds an event at least, so its number is never above its first event's: that is what the index knows.
        sql`l.link < ${page.beforeSeq} and l.first_seq < ${page.beforeSeq}
          and (e.body->>'seq')::bigint < ${page.beforeSeq}`,
    credentialId === undefined
      ? sql`true`
      : sql`l.credential_ids @> array[${credentialId}::uuid] and e.body->'detail'->>'credential_id' = ${credentialId}`,
    event === undefined ? sql`true` : sql`e.body->>'event' = ${event}`,
    since === undefined ? sql`true` : sql`l.recorded_at >= ${since}`,
    until === undefined ? sql`true` : sql`l.recorded_at < ${until}`,
  ];
  const { rows } = await readTenant(db, scopeOf(principal), (tx) =>
    sql<{ body: RecordedEvent }>`
      select e.body
      from audit.links l
      cross join lateral (select line::jsonb as body from string_to_table(l.events, E'\n') line) e
      where l.tenant_id = ${principal.tenantId}::uuid and ${sql.join(conditions, sql` and `)}
      order by l.link desc, (e.body->>'seq')::bigint desc
      limit ${page.limit + 1}`.execute(tx),
  );
  const items = rows.slice(0, page.limit).map(({ body }) => body);
  return { items, next: rows.length > page.limit ? (items.at(-1)?.seq ?? null) : null };
}

const linksAtOnce = 1000;

/**
 * The whole chain as lines of NDJSON, in order, exactly as it was hashed: what `keyhold audit verify` reads. Reads in pieces, so
 * that an export of any length needs little memory. Needs the scope `audit:read`.
 */
export async function* exportChain(db: Db, principal: Principal): AsyncGenerator<string> {
  assertScope(principal, "audit:read");
  for (let after = 0; ;) {
    const links = await linksAfter(db, principal, after);
    for (const { events, ...link } of links) {
      yield `${events}\n${formatLink(link)}\n`;
      after = link.link;
    }
    if (links.length < linksAtOnce) return;
  }
}

async function linksAfter(db: Db, principal: Principal, after: number) {
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("audit.links")
      .select(["tenant_id", "link", "event_count", "previous_hash", "hash", "events"])
      .where("tenant_id", "=", principal.tenantId)
      .where("link", ">", after)
      .orderBy("link")
      .limit(linksAtOnce)
      .execute(),
  );
  return rows.map((row) => ({
    count: row.event_count,
    hash: Buffer.from(row.hash).toString("hex"),
    link: row.link,
    previous: Buffer.from(row.previous_hash).toString("hex"),
    tenant: row.tenant_id,
    events: row.events,
  }));
}
