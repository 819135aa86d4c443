import { type RawBuilder, sql } from "kysely";
import type { TenantTx } from "../db/tenant.ts";
import type { EventFilter } from "./event-filter.ts";

/** A part of a tenant's record: events from `firstSeq` to `lastSeq`, in links from `firstLink` to `lastLink`. */
export type Stretch = Readonly<{
  firstLink: number;
  firstSeq: number;
  lastLink: number;
  lastSeq: number;
}>;

/** Where a search looks: the part of the record that it asks for, and how far the index of events goes. */
export type Bounds = Readonly<{ stretch: Stretch; indexedLink: number; indexedSeq: number }>;

/**
 * Later links have later times, unless a server's clock was set back by less than this or another server took over. The stretch is
 * wider than the times by as much, and the time of each event in it decides.
 */
const clocksDifferBy = "5 seconds";

/**
 * The part of the record between the times of `filter` and before the event `beforeSeq`; `null` where there is none. Reads as many
 * rows as a chain's length has bits.
 */
export async function readBounds(
  tx: TenantTx,
  tenantId: string,
  { since, until }: EventFilter,
  beforeSeq: number | null,
): Promise<Bounds | null> {
  const links = (condition: RawBuilder<unknown>) =>
    sql`from audit.links l where l.tenant_id = ${tenantId}::uuid and ${condition}`;
  const tooOld = sql`l.recorded_at < ${since}::timestamptz - ${clocksDifferBy}::interval`;
  const tooNew = sql`l.recorded_at >= ${until}::timestamptz + ${clocksDifferBy}::interval`;
  const start = sql`select l.link + 1 as link, l.first_seq + l.event_count as seq ${links(tooOld)}
    order by l.recorded_at desc, l.link desc limit 1`;
  const end = sql`select l.link, l.first_seq as seq ${links(tooNew)} order by l.recorded_at, l.link limit 1`;
  const chainEnd = sql`select l.link + 1 as link, l.first_seq + l.event_count as seq ${links(sql`true`)}
    order by l.link desc limit 1`;
  const nothing = sql`select null::bigint as link, null::bigint as seq where false`;
  const { rows } = await sql<Row>`
    select coalesce(s.link, 1) as first_link, coalesce(s.seq, 1) as first_seq,
      coalesce(e.link, c.link) - 1 as last_link, coalesce(e.seq, c.seq) as end_seq,
      coalesce(i.link, 0) as indexed_link, coalesce(i.seq, 0) as indexed_seq
    from (${chainEnd}) c
    left join (${since === undefined ? nothing : start}) s on true
    left join (${until === undefined ? nothing : end}) e on true
    left join audit.index_heads i on i.tenant_id = ${tenantId}::uuid`.execute(tx);
  const [row] = rows;
  if (row === undefined) return null;
  const lastSeq = Math.min(row.end_seq, beforeSeq ?? Infinity) - 1;
  if (lastSeq < row.first_seq) return null;
  const lastLink = lastSeq < row.end_seq - 1 ? await linkOf(tx, tenantId, lastSeq) : row.last_link;
  const stretch = { firstLink: row.first_link, firstSeq: row.first_seq, lastLink, lastSeq };
  return { stretch, indexedLink: row.indexed_link, indexedSeq: row.indexed_seq };
}

type Row = Readonly<{
  first_link: number;
  first_seq: number;
  last_link: number;
  end_seq: number;
  indexed_link: number;
  indexed_seq: number;
}>;

/**
 * The link that holds an event, by halving: links and events are both in order, and no index has the number of the event, which would
 * cost each commit. A link holds an event at least, so its number is never above that of its events.
 */
async function linkOf(tx: TenantTx, tenantId: string, seq: number): Promise<number> {
  const { rows } = await sql<{ link: number }>`
    with recursive halved (low, high) as (
      select 0::bigint, ${seq}::bigint
      union all
      select case when middle.below then middle.link else h.low end, case when middle.below then h.high else middle.link - 1 end
      from halved h cross join lateral (
        select m.link, coalesce((
          select l.first_seq <= ${seq}::bigint from audit.links l
          where l.tenant_id = ${tenantId}::uuid and l.link <= m.link order by l.link desc limit 1), true) as below
        from (select (h.low + h.high + 1) / 2 as link) m
      ) middle
      where h.low < h.high
    )
    select low as link from halved where low = high`.execute(tx);
  return rows[0]?.link ?? 0;
}
