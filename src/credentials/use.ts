import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { refuseMiss } from "../audit/refusals.ts";
import { readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Environment, SecretFields } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { idOfVenue } from "./inspect.ts";
import { openSecret, useOf } from "./open.ts";

/** A credential by its id, or by its account, venue, environment and label. */
export type CredentialName =
  | Readonly<{ id: string }>
  | Readonly<{ accountId: string; venue: string; environment: Environment; label?: string }>;

/**
 * Lends the plaintext to `work` for its length; nothing is kept after. For service code: HTTP offers `invoke`
 * and `reveal`. Wrong owner (`forbidden`), switched off (`credential_inactive`), expired (`illegal_state`)
 * and not found (`not_found`) are distinct errors; without the scope `credentials:use` it is `forbidden`,
 * too.
 */
export async function withSecret<T>(
  custody: Pick<Custody, "db" | "disclosures" | "stores" | "dataKeys" | "venues">,
  principal: Principal,
  name: CredentialName,
  work: (fields: SecretFields) => Promise<T>,
): Promise<T> {
  assertScope(principal, "credentials:use");
  const credentialId = "id" in name ? name.id : await findByPurpose(custody, principal, name);
  const request = useOf(principal, credentialId, "use", { purpose: "scope" });
  return openSecret(custody, request, ({ fields }) => work(fields));
}

async function findByPurpose(
  custody: Pick<Custody, "db" | "venues">,
  principal: Principal,
  name: Exclude<CredentialName, { id: string }>,
): Promise<string> {
  const found = await readTenant(custody.db, scopeOf(principal), async (tx) => {
    const account = await tx
      .selectFrom("accounts")
      .select("id")
      .where("id", "=", name.accountId)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    if (account === undefined) return null;
    return tx
      .selectFrom("credentials")
      .select("id")
      .where("account_id", "=", name.accountId)
      .where("venue", "=", idOfVenue(custody, name.venue))
      .where("environment", "=", name.environment)
      .where("label", "=", name.label ?? "default")
      .where("status", "<>", "revoked")
      .executeTakeFirst();
  });
  if (found === null) {
    return refuseMiss(custody.db, principal, { kind: "account", id: name.accountId, action: "use" });
  }
  if (found === undefined) throw new KeyholdError("not_found", "The account has no such credential.");
  return found.id;
}
