import type { AuditEvent } from "../audit/events.ts";
import type { CredentialRow } from "./credential.ts";

type Before = Pick<
  CredentialRow,
  "status" | "health" | "refused_since" | "permissions" | "account_facts" | "venue_expires_at"
>;
type After = Before & Pick<CredentialRow, "id">;

/** What a check found changed, as events, so that a receiver need not compare. */
export function eventsOf(before: Before, after: After, reason: string): readonly AuditEvent[] {
  return [
    ...statusEvents(before, after, reason),
    ...healthEvents(before, after, reason),
    ...permissionEvents(before, after),
    ...accountEvents(before, after),
  ];
}

/**
 * The event after a change that is no check: a receiver that heard of the credential's trouble hears that it
 * is over.
 */
export function recoveryOf(
  before: Before,
  { id: credential_id, status, health }: After,
): readonly AuditEvent[] {
  const ailed = before.status === "invalid" || before.status === "expired" || ails(before);
  if (!ailed || status !== "active" || health !== "healthy") return [];
  return [{ event: "credential.recovered", detail: { credential_id } }];
}

function statusEvents(before: Before, { id: credential_id, status }: After, reason: string): AuditEvent[] {
  if (before.status === status) return [];
  if (status === "invalid") return [{ event: "credential.invalidated", detail: { credential_id, reason } }];
  if (status === "expired") return [{ event: "credential.expired", detail: { credential_id } }];
  const recovers = status === "active" && (before.status === "invalid" || before.status === "expired");
  return recovers ? [{ event: "credential.recovered", detail: { credential_id } }] : [];
}

function healthEvents(
  before: Before,
  { id: credential_id, status, health, refused_since }: After,
  reason: string,
): AuditEvent[] {
  if (status !== "active" || before.status !== "active") return [];
  const isRefused = refused_since !== null && refused_since.getTime() !== before.refused_since?.getTime();
  if (isRefused || (ails({ health }) && !ails(before)))
    return [{ event: "credential.degraded", detail: { credential_id, reason } }];
  const recovers = ails(before) && health === "healthy";
  return recovers ? [{ event: "credential.recovered", detail: { credential_id } }] : [];
}

/** Whether the health is such that the owner was notified of it. */
function ails({ health }: Pick<CredentialRow, "health">): boolean {
  return health === "degraded" || health === "unhealthy";
}

/** Nothing has changed where the venue was not asked before, or does not report permissions. */
function permissionEvents(before: Before, after: After): AuditEvent[] {
  if (before.permissions === null || after.permissions === null) return [];
  const changed = differing(before.permissions, after.permissions);
  if (changed.length === 0) return [];
  return [{ event: "credential.permissions_changed", detail: { credential_id: after.id, changed } }];
}

function accountEvents(before: Before, after: After): AuditEvent[] {
  const wasAsked = Object.keys(before.account_facts).length > 0;
  const changed = wasAsked ? differing(before.account_facts, after.account_facts) : [];
  if (before.venue_expires_at?.getTime() !== after.venue_expires_at?.getTime()) changed.push("expires_at");
  // A pending credential had nothing to compare with.
  if (changed.length === 0 || before.status === "pending") return [];
  return [{ event: "credential.account_changed", detail: { credential_id: after.id, changed } }];
}

/**
 * The names of the facts that differ between two sets, in order. The order within lists, and of names, does
 * not count.
 */
export function differing(one: object, other: object): string[] {
  const [before, after] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => canonical(before.get(name)) !== canonical(after.get(name))).toSorted();
}

function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, inOrder);
}

function inOrder(_name: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map(String).toSorted();
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
