import { sql } from "kysely";
import { eventsOfCredential } from "../audit/events-of-credential.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import type { RotationRow } from "./rotation.ts";

/** Who has had to do with the old version, and may still hold or need it. */
export type OldVersionUse = Readonly<{
  actor: Readonly<Record<string, unknown>>;
  /** `fallback`: the venue refused the new one. `revealed`: the plaintext was given out while it was in force. */
  how: "fallback" | "revealed";
  count: number;
  last_at: string;
  /** Whether the plaintext of the new one was given to the same actor since. */
  has_new: boolean;
}>;

const mostShown = 100;

/**
 * From the record: since the old version was made it was revealed; since the rotation it was fallen back to. First those who have
 * not got the new one.
 */
export async function oldVersionUses(
  { db }: Pick<Custody, "db">,
  { tenant_id, credential_id, from_version, started_at }: RotationRow,
): Promise<readonly OldVersionUse[]> {
  const { rows } = await readTenant(db, serviceScope(tenant_id), (tx) =>
    sql<OldVersionUse>`
      with uses as (
        select (e.body->'detail'->'actor') - 'address' - 'request_id' as actor, e.body->>'at' as at,
          case when e.body->>'event' = 'credential.used' then 'fallback'
            when l.recorded_at < ${started_at} then 'revealed' else 'followed' end as how
        from ${eventsOfCredential(tenant_id, credential_id)}
        where l.recorded_at >= (select v.created_at from credential_versions v
            where v.credential_id = ${credential_id} and v.version = ${from_version})
          and e.body->'detail'->>'credential_id' = ${credential_id} and e.body->>'outcome' = 'ok'
          and (e.body->>'event' = 'credential.revealed'
            or (e.body->>'event' = 'credential.used' and e.body->'detail'->>'purpose' = 'fallback'))
      )
      select actor, how, count(*)::integer as count, max(at) as last_at,
        exists (select from uses f where f.how = 'followed' and f.actor = u.actor) as has_new
      from uses u where how <> 'followed'
      group by actor, how order by has_new, last_at desc limit ${mostShown}`.execute(tx),
  );
  return rows;
}

/** Long enough without a fallback for everybody to have come by again. */
const quietMs = 3_600_000;

/** Whether nobody needs the old version any more: nobody fell back to it for an hour, and whoever was shown it was shown the new one. */
export async function isUnused(
  custody: Pick<Custody, "db">,
  rotation: RotationRow & Readonly<{ now: Date }>,
): Promise<boolean> {
  const uses = await oldVersionUses(custody, rotation);
  if (uses.some(({ how, has_new }) => how === "revealed" && !has_new)) return false;
  const { last_fallback_at: last } = rotation;
  return last === null || rotation.now.getTime() - last.getTime() >= quietMs;
}
