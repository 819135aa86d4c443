import { assertScope, type Principal } from "../access/principal.ts";
import type { TenantTx } from "../db/tenant.ts";
import { changeRow } from "./change-row.ts";
import type { Credential, CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { toCredential, updateCredential } from "./rows.ts";

/** Stops every use of a credential, effective at once in every process. Freezing what is frozen changes nothing but the record. */
export async function freeze(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
  reason: string | null,
): Promise<Credential> {
  assertScope(principal, "credentials:write");
  return changeRow(custody, principal, { id, action: "freeze" }, async (tx, row) => ({
    value: await setFrozen(tx, row, row.frozen_at ?? row.now),
    events: [{ event: "credential.frozen", detail: { credential_id: id, reason } }],
  }));
}

export async function unfreeze(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Credential> {
  assertScope(principal, "credentials:write");
  return changeRow(custody, principal, { id, action: "unfreeze" }, async (tx, row) => ({
    value: await setFrozen(tx, row, null),
    events: [{ event: "credential.unfrozen", detail: { credential_id: id } }],
  }));
}

async function setFrozen(tx: TenantTx, row: CredentialRow, frozenAt: Date | null): Promise<Credential> {
  return toCredential(await updateCredential(tx, row.id, { frozen_at: frozenAt }));
}
