import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant } from "../db/tenant.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { readRow } from "./show.ts";

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
  /** `null` for what is not checked: only active and pending credentials are. */
  next_check_at: string | null;
  expires_at: string | null;
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
  const checks = await readTenant(custody.db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("health_checks")
      .selectAll()
      .where("credential_id", "=", id)
      .orderBy("checked_at", "desc")
      .orderBy("id", "desc")
      .limit(limit)
      .execute(),
  );
  const isChecked = row.status === "active" || row.status === "pending";
  return {
    status: row.status,
    health: row.health,
    health_message: row.health_message,
    last_validated_at: row.last_validated_at?.toISOString() ?? null,
    next_check_at: isChecked ? row.next_check_at.toISOString() : null,
    expires_at: row.expires_at?.toISOString() ?? null,
    checks: checks.map(({ checked_at, purpose, outcome, status, health }) => ({
      at: checked_at.toISOString(),
      purpose,
      outcome,
      status,
      health,
    })),
  };
}
