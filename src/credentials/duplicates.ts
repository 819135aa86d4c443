import { scrubDatabaseError } from "../db/scrub.ts";
import type { TenantTx } from "../db/tenant.ts";
import { type ErrorFacts, KeyholdError } from "../errors.ts";

type Place = Readonly<{
  accountId: string;
  venue: string;
  environment: "live" | "paper" | "testnet";
  label: string;
}>;

/** Throws `duplicate` if the account has a credential of this venue, environment and label that is not revoked. */
export async function rejectDuplicates(tx: TenantTx, place: Place): Promise<void> {
  const present = await tx
    .selectFrom("credentials")
    .select("id")
    .where("account_id", "=", place.accountId)
    .where("venue", "=", place.venue)
    .where("environment", "=", place.environment)
    .where("label", "=", place.label)
    .where("status", "<>", "revoked")
    .executeTakeFirst();
  if (present === undefined) return;
  throw duplicate({ credential_id: present.id });
}

/** Of two who look at once and find nothing, the index lets one through: the other's error says so. Always throws. */
export function asDuplicate(error: unknown): never {
  throw scrubDatabaseError(error)?.constraint === "credentials_one_per_label" ? duplicate({}) : error;
}

function duplicate(facts: ErrorFacts): KeyholdError {
  return new KeyholdError(
    "duplicate",
    "The account has such a credential already. Replace its secret, revoke it, or choose another label.",
    { facts },
  );
}
