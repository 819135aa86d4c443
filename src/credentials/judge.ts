import type { StoredPermissions, TenantPolicy } from "../db/schema.ts";
import { KeyholdError } from "../errors.ts";
import type { Permissions, Valid, Verdict } from "../venues/verdict.ts";
import { expiryOf, refuseAtRegister, unprovenAdvice } from "./outcome.ts";
import type { Changes } from "./rows.ts";

/** Of a key that nothing proves: not even that it may read. */
const nothingKnown: Permissions = {
  read: "unknown",
  trade: "unknown",
  withdraw: "unknown",
  transfer: "unknown",
  boundIps: null,
  unknownWords: [],
};

/** Whether anything proves a key that may do this: one that is proved may read. */
export function isProved({ read }: Pick<Permissions, "read">): boolean {
  return read !== "unknown";
}

/** What is kept with a secret of which the venue says this. Throws as `refuseAtRegister` does where the tenant takes no such key. */
export function accept(verdict: Verdict, policy: TenantPolicy): Valid {
  if (verdict.outcome === "valid") return verdict;
  if (verdict.outcome === "unproven" && policy.allow_unproven === true) return asKept(verdict);
  return refuseAtRegister(verdict);
}

/** A verdict after which a key may be kept, an unproven one as far as it goes. */
export function asKept(verdict: Extract<Verdict, { outcome: "valid" | "unproven" }>): Valid {
  if (verdict.outcome === "valid") return verdict;
  return { outcome: "valid", permissions: nothingKnown, expiresAt: null, account: {} };
}

/**
 * Throws `venue_unproven`, `withdraw_refused` or `permissions_unknown` where the tenant's policy objects to what a key may do. A permission word
 * that Keyhold does not know counts as withdraw.
 */
export function assertStorable(permissions: Permissions, policy: TenantPolicy): void {
  const objection = objectionTo(permissions, policy);
  if (objection !== null) throw objection;
}

/** What `assertStorable` would throw, or `null`. */
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
    `The venue does not tell whether the key may ${unknown.join(", ")}, and the tenant's policy refuses such keys.`,
    { facts: { unknown } },
  );
}

function whyRefused(unknownWords: readonly string[]): string {
  const advice = "Make a key without it at the venue; a leaked key must not be able to empty the account.";
  return unknownWords.length === 0
    ? `The key may withdraw. ${advice}`
    : `The key has permissions that Keyhold does not know (${unknownWords.join(", ")}), which count as withdraw. ${advice}`;
}

/**
 * What a new key may do that the old one may not: grants, words that Keyhold does not know, or addresses. What the venue did not
 * tell of the old key cannot be compared, and counts as nothing.
 */
export function widened(before: StoredPermissions | null, after: Permissions): readonly string[] {
  if (before === null) return [];
  const grants = (["read", "trade", "withdraw", "transfer"] as const).filter(
    (name) => before[name] === "no" && after[name] !== "no",
  );
  const words = after.unknownWords.filter((word) => !before.unknown_words.includes(word));
  return [
    ...grants,
    ...words,
    ...(isReachableFromMore(before.bound_ips, after.boundIps) ? ["bound_ips"] : []),
  ];
}

function isReachableFromMore(before: readonly string[] | null, after: readonly string[] | null): boolean {
  if (before === null || before.length === 0 || after === null) return false;
  return after.length === 0 || after.some((address) => !before.includes(address));
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
