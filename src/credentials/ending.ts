import type { TenantTx } from "../db/tenant.ts";
import type { LockedRow } from "./rows.ts";
import { estimatedEnd, venueRuleOf } from "./venue-rule.ts";

/** When a credential ends, and whether that is told or follows from a rule of its venue. */
export type Ending = Readonly<{ at: Date; estimated: boolean }>;

/** What ends a credential first, of what is still to come; `null` where nothing is known. */
export async function nextEnding(tx: TenantTx, row: LockedRow): Promise<Ending | null> {
  const toCome = (at: Date | null, estimated: boolean): readonly Ending[] =>
    at !== null && at > row.now ? [{ at, estimated }] : [];
  const told = row.status === "active" ? row.expires_at : null;
  const estimate = ruleCounts(row) ? await estimatedEnd(tx, row) : null;
  const endings = [...toCome(told, false), ...toCome(estimate, true)];
  return endings.sort((one, other) => one.at.getTime() - other.at.getTime())[0] ?? null;
}

/** Whoever is checked is checked within little more than a day. */
const uncheckedAfterMs = 2 * 86_400_000;

/**
 * A key that its venue ends when it is not used is kept alive by the checks. So that matters only when none has reached it for two
 * days: it is switched off, or frozen, or nothing asks.
 */
function ruleCounts(row: LockedRow): boolean {
  if (venueRuleOf(row)?.counted_from !== "last_use") return row.status === "active";
  const { last_validated_at: last, now } = row;
  return last !== null && now.getTime() - last.getTime() > uncheckedAfterMs;
}
