import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { readRow } from "./show.ts";
import { estimatedEnd, type VenueRule, venueRuleOf } from "./venue-rule.ts";

/** One answer of the venue about the credential. */
export type Check = Readonly<{
  at: string;
  purpose: string;
  outcome: string;
  /** What it left the credential with. */
  status: string;
  health: string;
}>;

export type Health = Readonly<{
  status: CredentialRow["status"];
  health: CredentialRow["health"];
  health_message: string | null;
  last_validated_at: string | null;
  /** `null` for what is not checked: active, pending and invalid credentials are. */
  next_check_at: string | null;
  expires_at: string | null;
  /** The venue's own rule about how long such a key lives; `null` where none is known for it. */
  venue_rule: VenueRule | null;
  /** When the key ends at the latest by that rule, where the venue does not tell. Keyhold ends nothing by it. */
  estimated_expires_at: string | null;
  /** Newest first. */
  checks: readonly Check[];
}>;

/** How a credential is, and what the venue answered before; at most `limit` checks. */
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

async function lastChecks(tx: TenantTx, id: string, limit: number): Promise<readonly Check[]> {
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
