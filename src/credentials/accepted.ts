import type { Valid } from "../venues/verdict.ts";
import { expiryOf } from "./consequences.ts";
import type { Changes } from "./rows.ts";
import { isProved } from "./storable.ts";

/** Of a credential that nothing is held against. */
export const unrefused = { rejected_at: null, refused_since: null, refused_as: null, held_at: null } as const;

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
