import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { estimatedEnd, type VenueRule, venueRuleOf } from "./expiry.ts";
import { readRow } from "./rows.ts";

type Health = Readonly<{
  status: CredentialRow["status"];
  health: CredentialRow["health"];
  health_message: string | null;
  last_validated_at: string | null;
  /** `null` unless the credential is active, pending or invalid: others are not checked. */
  next_check_at: string | null;
  expires_at: string | null;
  /** The venue's own rule about how long such a key lives; `null` where none is known for it. */
  venue_rule: VenueRule | null;
  /** When the key ends at the latest by that rule, where the venue names no date. Keyhold ends nothing by it. */
  estimated_expires_at: string | null;
  /** Answers of the venue, the newest first, with the status and health that each left. */
  checks: readonly Readonly<{
    at: string;
    purpose: string;
    outcome: string;
    status: string;
    health: string;
  }>[];
}>;

/** The health of a credential, and its last checks; at most `limit` of them. */
export async function healthOf(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
  limit: number,
): Promise<Health> {
  assertScope(principal, "credentials:read");
  const row = await readRow(custody, principal, id, "health");
  const { checks, estimate } = await readTenant(custody.db, scopeOf(principal), async (tx) => ({
    checks: await lastChecks(tx, id, limit),
    estimate: await estimatedEnd(tx, row),
  }));
  const isChecked = ["active", "pending", "invalid"].includes(row.status);
  return {
    status: row.status,
    health: row.health,
    health_message: row.health_message,
    last_validated_at: row.last_validated_at?.toISOString() ?? null,
    next_check_at: isChecked ? row.next_check_at.toISOString() : null,
    expires_at: row.expires_at?.toISOString() ?? null,
    venue_rule: venueRuleOf(row),
    estimated_expires_at: estimate?.toISOString() ?? null,
    checks,
  };
}

async function lastChecks(tx: TenantTx, id: string, limit: number): Promise<Health["checks"]> {
  const rows = await tx
    .selectFrom("health_checks")
    .selectAll()
    .where("credential_id", "=", id)
    .orderBy("checked_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(({ checked_at, purpose, outcome, status, health }) => ({
    at: checked_at.toISOString(),
    purpose,
    outcome,
    status,
    health,
  }));
}

type HealthSummary = Readonly<{
  /** Credentials that the caller may see, by venue, status and health. */
  items: readonly Readonly<{ venue: string; status: string; health: string; count: number }>[];
  /** Checks of the last 24 hours. */
  checks: Readonly<{ count: number; refused: number; undecided: number }>;
  /** When the check that has waited longest was due; `null` when none waits. */
  oldest_due_at: string | null;
  /** Active credentials that end within 14 days. */
  expiring: number;
}>;

/** The health of all credentials that the caller may see. */
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
    const { rows } = await sql<
      HealthSummary["checks"] & Readonly<{ oldest_due: Date | null; expiring: number }>
    >`
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
