import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";

export type HealthSummary = Readonly<{
  /** Credentials that the caller may see, by venue, status and health. */
  items: readonly Readonly<{ venue: string; status: string; health: string; count: number }>[];
  /** Checks of the last 24 hours. */
  checks: Readonly<{ count: number; refused: number; undecided: number }>;
  /** When the check that has waited longest was due; `null` when none waits. */
  oldest_due_at: string | null;
  /** Active credentials that end within 14 days. */
  expiring: number;
}>;

type Facts = Readonly<{
  count: number;
  refused: number;
  undecided: number;
  oldest_due: Date | null;
  expiring: number;
}>;

/** How the credentials are that the caller may see. */
export async function healthSummary(
  custody: Pick<Custody, "db">,
  principal: Principal,
): Promise<HealthSummary> {
  assertScope(principal, "credentials:read");
  const { tenantId } = principal;
  return readTenant(custody.db, scopeOf(principal), async (tx) => {
    const { rows: items } = await sql<HealthSummary["items"][number]>`
      select venue, status, health, count(*)::integer as count from credentials
      where tenant_id = ${tenantId}::uuid and deleted_at is null group by 1, 2, 3 order by 1, 2, 3`.execute(
      tx,
    );
    const { rows } = await sql<Facts>`
      select count(*)::integer as count, count(*) filter (where h.outcome in ('rejected', 'ambiguous'))::integer as refused,
        count(*) filter (where h.outcome not in ('valid', 'rejected', 'ambiguous', 'insufficient_permission', 'ip_not_allowed'))::integer
          as undecided,
        (select min(c.next_check_at) from credentials c where c.tenant_id = ${tenantId}::uuid and c.deleted_at is null
          and c.status in ('active', 'pending') and c.next_check_at < now()) as oldest_due,
        (select count(*)::integer from credentials c where c.tenant_id = ${tenantId}::uuid and c.deleted_at is null
          and c.status = 'active' and c.expires_at < now() + interval '14 days') as expiring
      from health_checks h where h.tenant_id = ${tenantId}::uuid and h.checked_at > now() - interval '24 hours'`.execute(
      tx,
    );
    const { count = 0, refused = 0, undecided = 0, oldest_due = null, expiring = 0 } = rows[0] ?? {};
    return {
      items,
      checks: { count, refused, undecided },
      oldest_due_at: oldest_due?.toISOString() ?? null,
      expiring,
    };
  });
}
