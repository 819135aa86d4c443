import { assertScope, type Principal } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import { addFreeze, eventsOfLifting, frozenAt, liftFreezes } from "../tenants/freeze.ts";
import { type Credential, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { changeCredential, updateCredential } from "./rows.ts";

/** Stops every use of a credential, effective at once in every process. */
export async function freeze(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
  reason: string | null,
): Promise<Answered<Credential>> {
  assertScope(principal, "credentials:write");
  return changeCredential(custody.db, principal, { id, action: "freeze" }, async (tx) => {
    const rank = await addFreeze(tx, principal, { tenantId: principal.tenantId, credentialId: id }, reason);
    return {
      value: toCredential(await updateCredential(tx, id, { frozen_at: frozenAt.added })),
      events: [{ event: "credential.frozen", detail: { credential_id: id, reason, rank } }],
    };
  });
}

/**
 * Lifts the freezes of a credential that the caller may lift, and returns the credential with those that are
 * left. Throws `forbidden` when the caller may lift none of them.
 */
export async function unfreeze(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Credential>> {
  assertScope(principal, "credentials:write");
  return changeCredential(custody.db, principal, { id, action: "unfreeze" }, async (tx) => {
    const lifted = await liftFreezes(tx, principal, { tenantId: principal.tenantId, credentialId: id });
    const about = { credential_id: id };
    return {
      value: toCredential(await updateCredential(tx, id, { frozen_at: frozenAt.lifted })),
      events: eventsOfLifting(lifted, { event: "credential.unfrozen", detail: about }, about),
    };
  });
}
