import { type RawBuilder, sql } from "kysely";

/**
 * What stands behind `from`: the recorded events of one credential as `e.body`, each with its link `l`. A link can hold hundreds of
 * events of others; only lines that name the credential are parsed, which is what takes time. `offset 0` keeps it in that order.
 */
export function eventsOfCredential(tenantId: string, credentialId: string): RawBuilder<unknown> {
  return sql`(select * from audit.links
      where tenant_id = ${tenantId}::uuid and credential_ids @> array[${credentialId}::uuid]) l
    cross join lateral (select line::jsonb as body from string_to_table(l.events, E'\\n') line
      where position(${credentialId} in line) > 0 offset 0) e`;
}
