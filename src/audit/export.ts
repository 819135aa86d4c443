import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant } from "../db/tenant.ts";
import { formatHead, formatLink, type Head } from "./chain.ts";
import { stampOf } from "./scan.ts";

/** Links of one piece; each can have hundreds of events. */
const linksAtOnce = 250;

/**
 * The whole chain as lines of NDJSON, in order, exactly as it was hashed, and then its head, for `keyhold
 * audit verify`. The head is read first, so that events recorded meanwhile do not matter. Reads in pieces, so
 * that an export of any length needs little memory. Needs the scope `audit:read`.
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

/**
 * `last` is the newest existing link. In a chain that was tampered with it is not the link of the head, and
 * the export shows that.
 */
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
