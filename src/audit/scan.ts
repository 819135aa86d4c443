import { type RawBuilder, sql } from "kysely";
import type { TenantTx } from "../db/tenant.ts";
import { conditionsOf, type EventFilter } from "./event-filter.ts";
import type { Stretch } from "./stretch.ts";

/** An event as it is read; `seq` counts the tenant's events from 1 without gaps. */
export type RecordedEvent = Readonly<{
  seq: number;
  at: string;
  event: string;
  outcome: string;
  detail: Readonly<Record<string, unknown>>;
}>;

/** The time of an event as its line has it: audit.stamp, which only the recorder may call. */
export function stampOf(time: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** Events that were found, newest first, and the oldest one that was looked at where there is more to look at. */
export type Scan = Readonly<{ items: readonly RecordedEvent[]; reached: number | null }>;

/** `most` events are found, and `look` are looked at. */
export type Effort = Readonly<{ most: number; look: number }>;

const shown = sql`f.seq, ${stampOf(sql`f.recorded_at`)} as at, f.event, f.outcome, f.detail`;

/** Looks at the newest events of a stretch in their links, line by line. Events have numbers without gaps, so that `look` is exact. */
export async function scanLinks(
  tx: TenantTx,
  tenantId: string,
  filter: EventFilter,
  { firstLink, firstSeq, lastLink, lastSeq }: Stretch,
  { most, look }: Effort,
): Promise<Scan> {
  if (lastSeq < firstSeq) return { items: [], reached: null };
  const from = Math.max(firstSeq, lastSeq - look + 1);
  const { rows } = await sql<RecordedEvent>`
    select ${shown} from (
      select n.first_seq + t.place - 1 as seq, n.recorded_at, facts.*
      from (
        select l.first_seq, l.event_count, l.recorded_at, l.events from audit.links l
        where l.tenant_id = ${tenantId}::uuid and l.link >= ${firstLink}::bigint and l.link <= ${lastLink}::bigint
        order by l.link desc limit ${look}
      ) n
      cross join lateral string_to_table(n.events, E'\\n') with ordinality t (line, place)
      cross join lateral (select * from audit.facts_of(t.line) offset 0) facts
      where n.first_seq + n.event_count > ${from}::bigint and t.place <= n.event_count
        and n.first_seq + t.place - 1 between ${from}::bigint and ${lastSeq}::bigint
    ) f
    where ${conditionsOf(filter)} order by f.seq desc limit ${most}`.execute(tx);
  return { items: rows, reached: from > firstSeq ? from : null };
}

type FoundByIndex = Readonly<{ reached: number | null }> & (RecordedEvent | Readonly<{ seq: null }>);

/** Looks at the newest entries of a stretch in the index of `condition`, and reads the text of those that the whole filter finds. */
export async function scanIndex(
  tx: TenantTx,
  tenantId: string,
  filter: EventFilter,
  condition: RawBuilder<unknown>,
  { firstSeq, lastSeq }: Pick<Stretch, "firstSeq" | "lastSeq">,
  { most, look }: Effort,
): Promise<Scan> {
  const { rows } = await sql<FoundByIndex>`
    with looked_at as materialized (
      select f.* from audit.indexed_events f
      where f.tenant_id = ${tenantId}::uuid and ${condition}
        and f.seq >= ${firstSeq}::bigint and f.seq <= ${lastSeq}::bigint
      order by f.seq desc limit ${look}
    ), found as materialized (
      select f.seq, f.link from looked_at f where ${conditionsOf(filter)} order by f.seq desc limit ${most}
    )
    select ${shown}, looked.reached
    from (select case when count(*) = ${look} then min(seq) end as reached from looked_at) looked
    left join (
      select line.seq, line.recorded_at, facts.* from (
        select n.first_seq + t.place - 1 as seq, n.recorded_at, t.line
        from (select distinct link from found) d
        cross join lateral (
          select l.first_seq, l.recorded_at, l.events from audit.links l
          where l.tenant_id = ${tenantId}::uuid and l.link = d.link offset 0
        ) n
        cross join lateral string_to_table(n.events, E'\\n') with ordinality t (line, place)
        where n.first_seq + t.place - 1 in (select seq from found) offset 0
      ) line
      cross join lateral audit.facts_of(line.line) facts
    ) f on true
    order by f.seq desc`.execute(tx);
  const items = rows.flatMap((row) => {
    if (row.seq === null) return [];
    const { reached: _reached, ...item } = row;
    return [item];
  });
  return { items, reached: rows[0]?.reached ?? null };
}
