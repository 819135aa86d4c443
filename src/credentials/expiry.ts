import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { type Due, sweep, type Tally } from "../db/sweep.ts";
import type { TenantTx } from "../db/tenant.ts";
import { type Lifetime, lifetimeAt } from "../venues/traits.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { lockCredential, type LockedRow, rescheduleCredential, updateCredential } from "./rows.ts";

/** The venue's own rule about how long such a key lives, as it leaves the service. */
export type VenueRule = Readonly<{
  days: number;
  counted_from: Lifetime["from"];
  /** `unknown` where the venue does not report what the rule depends on. */
  applies: "yes" | "unknown";
  source: string;
}>;

type Known = Pick<
  CredentialRow,
  "id" | "venue" | "environment" | "status" | "permissions" | "venue_expires_at" | "last_validated_at"
>;

/** The rule for this credential; `null` where the venue has none, or none for a key like this. */
export function venueRuleOf({ venue, environment, permissions }: Known): VenueRule | null {
  const lifetime = lifetimeAt(venue, environment);
  if (lifetime === undefined) return null;
  const applies = appliesTo(lifetime, permissions);
  if (applies === "no") return null;
  return { days: lifetime.days, counted_from: lifetime.from, applies, source: lifetime.source };
}

function appliesTo(
  { unboundOnly, may }: Lifetime,
  permissions: Known["permissions"],
): "yes" | "no" | "unknown" {
  const conditions: ("yes" | "no" | "unknown")[] = [];
  if (unboundOnly) {
    const addresses = permissions?.bound_ips ?? null;
    conditions.push(addresses === null ? "unknown" : addresses.length === 0 ? "yes" : "no");
  }
  if (may !== null) {
    const grants = may.map((right) => permissions?.[right] ?? "unknown");
    conditions.push(grants.includes("yes") ? "yes" : grants.includes("unknown") ? "unknown" : "no");
  }
  if (conditions.includes("no")) return "no";
  return conditions.includes("unknown") ? "unknown" : "yes";
}

const dayMs = 86_400_000;

/**
 * The latest moment at which the venue ends the key by its own rule; `null` where there is no rule or the
 * moment cannot be known. A date that the venue names for the key goes before it. The venue may have made the
 * key long before Keyhold saw it first, so it may end earlier; and where the venue counts uses, a check is
 * one. Therefore it is a reason to warn, and never one to refuse a use.
 */
export async function estimatedEnd(tx: TenantTx, row: Known): Promise<Date | null> {
  const rule = venueRuleOf(row);
  if (rule?.applies !== "yes" || row.venue_expires_at !== null) return null;
  if (row.status !== "active" && row.status !== "inactive") return null;
  const since = rule.counted_from === "last_use" ? row.last_validated_at : await keySince(tx, row.id);
  return since === null ? null : new Date(since.getTime() + rule.days * dayMs);
}

async function keySince(tx: TenantTx, credentialId: string): Promise<Date | null> {
  const version = await tx
    .selectFrom("credential_versions")
    .select("key_since")
    .where("credential_id", "=", credentialId)
    .where("state", "=", "current")
    .executeTakeFirst();
  return version?.key_since ?? null;
}

/**
 * The columns by which the clock finds credentials that a rule of their venue ends. Before a warning the rule
 * is looked at again.
 */
export async function ruleNotes(
  tx: TenantTx,
  row: Known,
): Promise<Pick<CredentialRow, "estimated_expires_at" | "unused_days">> {
  const end = await estimatedEnd(tx, row);
  const rule = end === null ? null : venueRuleOf(row);
  return rule?.counted_from === "last_use"
    ? { estimated_expires_at: null, unused_days: rule.days }
    : { estimated_expires_at: end, unused_days: null };
}

/**
 * What ends a credential next, a known date or one that follows from a rule of its venue; `null` where
 * neither is known.
 */
async function nextEnding(
  tx: TenantTx,
  row: LockedRow,
): Promise<Readonly<{ at: Date; estimated: boolean }> | null> {
  const toCome = (at: Date | null, estimated: boolean) =>
    at !== null && at > row.now ? [{ at, estimated }] : [];
  const known = row.status === "active" ? row.expires_at : null;
  const estimate = ruleCounts(row) ? await estimatedEnd(tx, row) : null;
  const endings = [...toCome(known, false), ...toCome(estimate, true)];
  return endings.sort((one, other) => one.at.getTime() - other.at.getTime())[0] ?? null;
}

/** A credential that is checked at all is checked within little more than a day. */
const uncheckedAfterMs = 2 * 86_400_000;

/**
 * Whether the venue's rule counts now. Checks keep a key alive that its venue ends when it is not used. That
 * rule counts only when no check has reached the key for two days: it is switched off, or frozen, or no clock
 * runs.
 */
function ruleCounts(row: LockedRow): boolean {
  if (venueRuleOf(row)?.counted_from !== "last_use") return row.status === "active";
  const { last_validated_at: last, now } = row;
  return last !== null && now.getTime() - last.getTime() > uncheckedAfterMs;
}

/** Days ahead of an expiry at which its owner is warned, once each. */
const warningDays = [1, 7, 14] as const;

const batchSize = 500;

/**
 * Warns of credentials that expire soon, at a known date or by a rule of their venue. A later date, or a
 * rotation, begins anew.
 */
export async function warnExpiring(custody: Pick<Custody, "db">): Promise<Tally> {
  let [done, failed] = [0, 0];
  // The nearest first: an owner who was not warned before gets one warning, not three.
  for (const days of warningDays) {
    const due = sql<Due>`select * from clock.expiring_credentials(${days}, ${batchSize})`;
    const tally = await sweep(custody.db, due, (one) => warn(custody, one, days));
    done += tally.done;
    failed += tally.failed;
  }
  return { done, failed };
}

async function warn({ db }: Pick<Custody, "db">, { tenant_id, id }: Due, days: number): Promise<void> {
  await changeUnlessDone(db, system(tenant_id, "warn-expiring"), async (tx) => {
    const row = await lockCredential(tx, id);
    const ending = row === undefined ? null : await nextEnding(tx, row);
    if (row === undefined || ending === null) return null;
    const { at, estimated } = ending;
    const left = at.getTime() - row.now.getTime();
    if (left > days * dayMs || wasWarned(row.warned_days, days, left)) return null;
    await rescheduleCredential(tx, id, { warned_days: days });
    const detail = { credential_id: id, days, expires_at: at.toISOString(), estimated };
    return { value: undefined, events: [{ event: "credential.expiring", detail }] };
  });
}

/** A warning from before the date was moved does not count. */
function wasWarned(warnedDays: number | null, days: number, left: number): boolean {
  return warnedDays !== null && warnedDays <= days && left <= warnedDays * dayMs;
}

/** Marks credentials whose date has passed. Uses are refused from the date itself; this makes the status say so. */
export async function expireDue({ db }: Pick<Custody, "db">): Promise<Tally> {
  const due = sql<Due>`select * from clock.expired_credentials(${batchSize})`;
  return sweep(db, due, ({ tenant_id, id }) =>
    changeUnlessDone(db, system(tenant_id, "expire"), async (tx) => {
      const row = await lockCredential(tx, id);
      // Revoked, switched off or given a later date meanwhile.
      if (row?.status !== "active" || row.expires_at === null || row.expires_at > row.now) return null;
      await updateCredential(tx, id, { status: "expired" });
      return { value: undefined, events: [{ event: "credential.expired", detail: { credential_id: id } }] };
    }),
  );
}
