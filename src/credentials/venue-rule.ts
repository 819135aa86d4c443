import type { TenantTx } from "../db/tenant.ts";
import { type Lifetime, lifetimeAt } from "../venues/lifetimes.ts";
import type { CredentialRow } from "./credential.ts";

/** The venue's own rule about how long such a key lives, as it is shown. */
export type VenueRule = Readonly<{
  days: number;
  counted_from: Lifetime["from"];
  /** `unknown` where the venue does not tell what the rule depends on. */
  applies: "yes" | "unknown";
  source: string;
}>;

type Known = Pick<
  CredentialRow,
  "id" | "venue" | "environment" | "status" | "permissions" | "venue_expires_at" | "last_validated_at"
>;

/** `null` where the venue has no such rule, or none for a key like this. */
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
 * The latest moment at which the venue ends the key by its own rule; `null` where there is none or it cannot be known. What the venue
 * tells of the key itself goes before it. The venue may have made the key long before Keyhold saw it first, so it may end earlier;
 * and a check is a use, where the venue counts those. So it is a reason to warn, and never one to refuse a use.
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

export type RuleNotes = Pick<CredentialRow, "estimated_expires_at" | "unused_days">;

/** By what the clock finds credentials that a rule of their venue ends. Whoever warns looks at the rule again. */
export async function ruleNotes(tx: TenantTx, row: Known): Promise<RuleNotes> {
  const end = await estimatedEnd(tx, row);
  const rule = end === null ? null : venueRuleOf(row);
  return rule?.counted_from === "last_use"
    ? { estimated_expires_at: null, unused_days: rule.days }
    : { estimated_expires_at: end, unused_days: null };
}
