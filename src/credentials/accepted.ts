import type { Valid } from "../venues/verdict.ts";
import { expiryOf } from "./consequences.ts";
import type { Changes } from "./rows.ts";

/** What the venue's acceptance of a new secret makes of the row that it is put into. */
export function accepted(verdict: Valid, now: Date): Changes {
  return {
    permissions: verdict.permissions,
    account_facts: verdict.account,
    venue_expires_at: expiryOf(verdict),
    health: "healthy",
    health_message: null,
    rejected_at: null,
    last_validated_at: now,
  };
}
