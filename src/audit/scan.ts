import { type RawBuilder, sql } from "kysely";
import type { TenantTx } from "../db/tenant.ts";

/** An event as it is read; `seq` counts the tenant's events from 1 without gaps. */
export type RecordedEvent = Readonly<{
  seq: number;
  at: string;
  event: string;
  outcome: string;
  detail: Readonly<Record<string, unknown>>;
}>;

/** The time of an event in the form of its line: that of audit.stamp, which only the recorder may call. */
export function stampOf(time: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

const shown = sql`f.seq, ${stampOf(sql`f.recorded_at`)} as at, f.event, f.outcome, f.detail`;

/**
 * Looks at the newest events of a stretch in their links, line by line: events from `firstSeq` to `lastSeq`,
 * in links from `firstLink` to `lastLink`. At most `most` events are found, and `look` are looked at. Events
 * are numbered without gaps, so that `look` is exact. They come newest first; `reached` is the oldest event
 * that was looked at, if there are more to look at.
 */
export async function scanLinks(
  tx: TenantTx,
  tenantId: string,
  filter: EventFilter,
  {
    firstLink,
    firstSeq,
    lastLink,
    lastSeq,
  }: Readonly<Record<"firstLink" | "firstSeq" | "lastLink" | "lastSeq", number>>,
  { most, look }: Readonly<{ most: number; look: number }>,
): Promise<Readonly<{ items: readonly RecordedEvent[]; reached: number | null }>> {
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

/**
 * Looks at the newest entries of a stretch in the index of `condition`, and reads the text of the entries
 * that match the whole filter.
 */
export async function scanIndex(
  tx: TenantTx,
  tenantId: string,
  filter: EventFilter,
  condition: RawBuilder<unknown>,
  { firstSeq, lastSeq }: Readonly<{ firstSeq: number; lastSeq: number }>,
  { most, look }: Readonly<{ most: number; look: number }>,
): Promise<Readonly<{ items: readonly RecordedEvent[]; reached: number | null }>> {
  const { rows } = await sql<
    Readonly<{ reached: number | null }> & (RecordedEvent | Readonly<{ seq: null }>)
  >`
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

/** The conditions of a search; all of them must match. */
export type EventFilter = Readonly<{
  credentialId?: string;
  event?: string;
  outcome?: string;
  /** A member by its id, an operator by its subject, the service by its task. */
  actor?: string;
  apiKeyId?: string;
  /** The issuer of an operator. */
  issuer?: string;
  since?: Date;
  until?: Date;
}>;

/**
 * The columns of a search, the most selective first. The first one with a value is looked up by its index.
 */
const columns = [
  ["credential_id", "credentialId"],
  ["api_key_id", "apiKeyId"],
  ["issuer", "issuer"],
  ["actor", "actor"],
  ["event", "event"],
  ["outcome", "outcome"],
] as const satisfies readonly (readonly [string, keyof EventFilter])[];

/** The condition that an index serves, on a row named `f`; `null` without such a condition. */
export function indexedCondition(filter: EventFilter): RawBuilder<unknown> | null {
  const [first] = equalities(filter);
  if (first === undefined) return null;
  // Reveals have an index of their own, which the planner uses when it reads the name.
  const areReveals = filter.credentialId !== undefined && filter.event === "credential.revealed";
  return areReveals ? sql`${first} and f.event = 'credential.revealed'` : first;
}

/** All conditions, on a row named `f` with the facts of an event. */
function conditionsOf(filter: EventFilter): RawBuilder<unknown> {
  const { since, until } = filter;
  const times = [
    ...(since === undefined ? [] : [sql`f.recorded_at >= ${since}`]),
    ...(until === undefined ? [] : [sql`f.recorded_at < ${until}`]),
  ];
  return sql.join([sql`true`, ...equalities(filter), ...times], sql` and `);
}

function equalities(filter: EventFilter): readonly RawBuilder<unknown>[] {
  return columns.flatMap(([column, name]) => {
    const value = filter[name];
    return value === undefined ? [] : [sql`f.${sql.ref(column)} = ${value}`];
  });
}

export function isEmpty(filter: EventFilter): boolean {
  return Object.values(filter).every((value) => value === undefined);
}

/**
 * Later links have later times, except that the clock of a server may have been set back by less than this,
 * or another server may have taken over. So the stretch is wider than the times of the filter, and the time
 * of each event decides.
 */
const clocksDifferBy = "5 seconds";

/**
 * The part of the record between the times of `filter` and before the event `beforeSeq`, and the end of the
 * index of events; `null` when there is no such part. Reads as many rows as the length of the chain has bits.
 */
export async function readBounds(
  tx: TenantTx,
  tenantId: string,
  { since, until }: EventFilter,
  beforeSeq: number | null,
) {
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
  const { rows } = await sql<
    Readonly<{
      first_link: number;
      first_seq: number;
      last_link: number;
      end_seq: number;
      indexed_link: number;
      indexed_seq: number;
    }>
  >`
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

/**
 * The link of an event, by bisection: links and events are both in order, and no index has the number of the
 * event, because it would cost each commit. A link contains at least one event, so its number is never higher
 * than that of its events.
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
