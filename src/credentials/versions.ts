import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import { type Rotation, toRotation } from "./rotation.ts";
import { readRow } from "./show.ts";

/** One version of a credential's secret; never the secret. */
export type Version = Readonly<{
  version: number;
  state: "current" | "retired" | "destroyed";
  store: string;
  created_at: string;
  destroyed_at: string | null;
}>;

/** Who has had to do with the old version, and may still hold or need it. */
export type OldVersionUse = Readonly<{
  actor: Readonly<Record<string, unknown>>;
  /** `fallback`: the venue refused the new one. `revealed`: the plaintext was given out while it was in force. */
  how: "fallback" | "revealed";
  count: number;
  last_at: string;
}>;

export type Versions = Readonly<{
  items: readonly Version[];
  /** The last one, under way or ended. */
  rotation: Rotation | null;
  /** Of the version that the last rotation has replaced. */
  old_version_uses: readonly OldVersionUse[];
}>;

const mostShown = 100;

/** The versions of a credential, newest first, with the last rotation and who may still need what it replaced. */
export async function listVersions(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Versions> {
  assertScope(principal, "credentials:read");
  const { tenant_id: tenantId } = await readRow(custody, principal, id, "versions");
  const { versions, last } = await readTenant(custody.db, scopeOf(principal), async (tx) => ({
    versions: await tx
      .selectFrom("credential_versions")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("version", "desc")
      .limit(mostShown)
      .execute(),
    last: await tx
      .selectFrom("rotations")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("started_at", "desc")
      .limit(1)
      .executeTakeFirst(),
  }));
  return {
    items: versions.map((row) => ({
      version: row.version,
      state: row.state,
      store: row.store,
      created_at: row.created_at.toISOString(),
      destroyed_at: row.destroyed_at?.toISOString() ?? null,
    })),
    rotation: last === undefined ? null : toRotation(last),
    old_version_uses: last?.state === "overlap" ? await usesOf(custody, tenantId, last) : [],
  };
}

/** From the record: since the old version was made it was revealed; since the rotation it was fallen back to. */
async function usesOf(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  {
    credential_id,
    from_version,
    started_at,
  }: Readonly<{ credential_id: string; from_version: number; started_at: Date }>,
): Promise<readonly OldVersionUse[]> {
  type Row = Omit<OldVersionUse, "last_at"> & Readonly<{ last_at: string }>;
  const { rows } = await readTenant(db, serviceScope(tenantId), (tx) =>
    sql<Row>`
      select e.body->'detail'->'actor' - 'address' - 'request_id' as actor,
        case e.body->>'event' when 'credential.revealed' then 'revealed' else 'fallback' end as how,
        count(*)::integer as count, max(e.body->>'at') as last_at
      from audit.links l
      cross join lateral (select line::jsonb as body from string_to_table(l.events, E'\n') line) e
      where l.tenant_id = ${tenantId}::uuid and l.credential_ids @> array[${credential_id}::uuid]
        and l.recorded_at >= (select v.created_at from credential_versions v
          where v.credential_id = ${credential_id} and v.version = ${from_version})
        and e.body->'detail'->>'credential_id' = ${credential_id} and e.body->>'outcome' = 'ok'
        and ((e.body->>'event' = 'credential.revealed' and l.recorded_at < ${started_at})
          or (e.body->>'event' = 'credential.used' and e.body->'detail'->>'purpose' = 'fallback'))
      group by 1, 2 order by 4 desc limit ${mostShown}`.execute(tx),
  );
  return rows;
}
