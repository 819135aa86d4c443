import { sql } from "kysely";
import { eventsOfCredential } from "../audit/events-of-credential.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import type { RotationRow } from "./rotation.ts";

/** What a caller has of a secret. What Keyhold opens it for by itself, to check or to keep it, is no use. */
const purposes = ["invoke", "fallback", "scope"];

/** From the record: how often each version was used or revealed while a rotation was under way. A version that was not is not there. */
export async function countUses(
  { db }: Pick<Custody, "db">,
  { tenant_id, credential_id, started_at, ended_at }: RotationRow,
): Promise<ReadonlyMap<number, number>> {
  const { rows } = await readTenant(db, serviceScope(tenant_id), (tx) =>
    sql<{ version: number; uses: number }>`
      select (e.body->'detail'->>'version')::integer as version, count(*)::integer as uses
      from ${eventsOfCredential(tenant_id, credential_id)}
      where l.recorded_at >= ${started_at} and l.recorded_at <= coalesce(${ended_at}::timestamptz, 'infinity')
        and e.body->'detail'->>'credential_id' = ${credential_id} and e.body->>'outcome' = 'ok'
        and (e.body->>'event' = 'credential.revealed'
          or (e.body->>'event' = 'credential.used' and e.body->'detail'->>'purpose' = any (${purposes})))
      group by 1`.execute(tx),
  );
  return new Map(rows.map(({ version, uses }) => [version, uses]));
}
