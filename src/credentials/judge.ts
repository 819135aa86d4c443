import { type Principal, scopeOf } from "../access/principal.ts";
import { note } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantPolicy } from "../db/stored-json.ts";
import { readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { findPolicy } from "../tenants/tenant.ts";
import type { CallTarget, Venue } from "../venues/venue.ts";
import type { Permissions, Valid, Verdict } from "../venues/verdict.ts";
import type { Custody } from "./custody.ts";
import { inspect } from "./inspect.ts";
import { expiryOf, refuseAtRegister, unprovenAdvice, unrefused } from "./outcome.ts";
import type { Changes } from "./rows.ts";

/**
 * Asks the venue about a secret that is to be kept, and holds its answer against the tenant's policy, which
 * is read after the venue has answered, and against the caller's own `check`. A refusal is recorded as the
 * caller says, and nothing has changed. Throws what the venue's answer means (`venue_rejected`,
 * `venue_unavailable` and so on), what `assertStorable` throws, and what `check` throws.
 */
export async function judgeSecret(
  custody: Pick<Custody, "db" | "inspected" | "turns">,
  principal: Principal,
  venue: Venue,
  { environment, fields }: Pick<CallTarget, "environment" | "fields">,
  {
    check,
    refusal,
  }: Readonly<{
    check?: (kept: Valid) => void;
    refusal: (reason: string, outcome: Verdict["outcome"]) => AuditEvent;
  }>,
): Promise<Valid> {
  const { tenantId } = principal;
  const verdict = await inspect(custody, venue, { tenantId, environment, fields });
  try {
    const policy = await readTenant(custody.db, scopeOf(principal), (tx) => findPolicy(tx, tenantId));
    const kept = accept(verdict, policy);
    check?.(kept);
    assertStorable(kept.permissions, policy);
    return kept;
  } catch (error) {
    const reason = error instanceof KeyholdError ? error.code : verdict.outcome;
    await note(custody.db, principal, refusal(reason, verdict.outcome));
    throw error;
  }
}

/**
 * What is kept with a secret of which the venue says this. Throws as `refuseAtRegister` does where the tenant
 * takes no such key.
 */
function accept(verdict: Verdict, policy: TenantPolicy): Valid {
  if (verdict.outcome === "valid") return verdict;
  if (verdict.outcome === "unproven" && policy.allow_unproven === true) return asKept(verdict);
  return refuseAtRegister(verdict);
}

/** A verdict after which a key may be kept, an unproven one as far as it goes. */
export function asKept(verdict: Extract<Verdict, { outcome: "valid" | "unproven" }>): Valid {
  if (verdict.outcome === "valid") return verdict;
  return { outcome: "valid", permissions: nothingKnown, expiresAt: null, account: {} };
}

/** Of a key that nothing proves: not even that it may read. */
const nothingKnown: Permissions = {
  read: "unknown",
  trade: "unknown",
  withdraw: "unknown",
  transfer: "unknown",
  boundIps: null,
  unknownWords: [],
};

/** Whether anything proves a key that may do this: a proved key may read. */
function isProved({ read }: Permissions): boolean {
  return read !== "unknown";
}

/** What the venue's acceptance of a new secret makes of the row that it is put into. */
export function accepted(verdict: Valid, now: Date): Changes {
  return {
    permissions: verdict.permissions,
    account_facts: verdict.account,
    venue_expires_at: expiryOf(verdict),
    health: isProved(verdict.permissions) ? "healthy" : "unknown",
    health_message: null,
    ...unrefused,
    last_validated_at: now,
  };
}

/**
 * Throws `venue_unproven`, `withdraw_refused` or `permissions_unknown` where the tenant's policy objects to
 * what a key may do. A permission word that Keyhold does not know counts as withdraw.
 */
export function assertStorable(permissions: Permissions, policy: TenantPolicy): void {
  const objection = objectionTo(permissions, policy);
  if (objection !== null) throw objection;
}

/** The error that `assertStorable` would throw, or `null`. */
export function objectionTo(permissions: Permissions, policy: TenantPolicy): KeyholdError | null {
  const { withdraw, unknownWords } = permissions;
  if (!isProved(permissions) && policy.allow_unproven !== true) {
    return new KeyholdError("venue_unproven", `Nothing proves the key. ${unprovenAdvice}`);
  }
  if (policy.allow_withdraw !== true && (withdraw === "yes" || unknownWords.length > 0)) {
    return new KeyholdError("withdraw_refused", whyRefused(unknownWords), {
      facts: { withdraw, unknown_words: unknownWords },
    });
  }
  const unknown = (["read", "trade", "withdraw", "transfer"] as const).filter(
    (name) => permissions[name] === "unknown",
  );
  if (policy.allow_unknown_permissions !== false || unknown.length === 0) return null;
  return new KeyholdError(
    "permissions_unknown",
    `The venue does not report whether the key may ${unknown.join(", ")}, and the tenant's policy refuses such keys.`,
    { facts: { unknown } },
  );
}

function whyRefused(unknownWords: readonly string[]): string {
  const advice = "Make a key without it at the venue; a leaked key must not be able to empty the account.";
  return unknownWords.length === 0
    ? `The key may withdraw. ${advice}`
    : `The key has permissions that Keyhold does not know (${unknownWords.join(", ")}), which count as withdraw. ${advice}`;
}
