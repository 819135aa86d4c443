import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, type Nothing, nothing } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantTx } from "../db/tenant.ts";
import { assertMove, type Credential, type CredentialRow, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction, removeIfDeleted } from "./destroy.ts";
import { unrefused } from "./outcome.ts";
import { changeCredential, updateCredential } from "./rows.ts";
import { endVersions } from "./versions.ts";

/**
 * Ends a credential for good: every version is destroyed, metadata and record stay. It is in force at once;
 * if a store cannot be reached now, the reconciler asks it again. Throws `illegal_state` when the credential
 * is revoked already.
 */
export async function revoke(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  id: string,
): Promise<Answered<Credential>> {
  assertScope(principal, "credentials:write");
  return changeCredential(custody.db, principal, { id, action: "revoke" }, async (tx, row) => {
    assertMove(row.status, "revoked");
    const { credential, intents } = await end(tx, row, null);
    const after = (): Promise<void> => destroyNow(custody, principal.tenantId, intents);
    return { value: credential, events: [revokedEvent(id)], after };
  });
}

/** Revokes, then removes: the credential is gone from every list at once, and its row with its last version. */
export async function remove(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "credentials:write");
  return changeCredential(custody.db, principal, { id, action: "delete" }, async (tx, row) => {
    const revoked = row.status === "revoked" ? [] : [revokedEvent(id)];
    const removed: AuditEvent = { event: "credential.deleted", detail: { credential_id: id } };
    const { intents } = await end(tx, row, row.now);
    const after = (): Promise<void> => destroyNow(custody, principal.tenantId, intents);
    return { value: nothing, events: [removed, ...revoked], after };
  });
}

export function revokedEvent(credential_id: string): AuditEvent {
  return { event: "credential.revoked", detail: { credential_id } };
}

/** In the caller's transaction: the end of a credential, with intents to destroy what its store holds. */
export async function end(
  tx: TenantTx,
  row: CredentialRow,
  deletedAt: Date | null,
): Promise<Readonly<{ credential: Credential; intents: readonly string[] }>> {
  const versions = await endVersions(tx, row.id);
  const ended = await updateCredential(tx, row.id, {
    status: "revoked",
    deleted_at: deletedAt,
    ...unrefused,
  });
  const intents = await intendDestruction(tx, row, versions);
  // The row of a credential that was revoked before has nothing left to wait for.
  if (deletedAt !== null) await removeIfDeleted(tx, row.id);
  return { credential: toCredential(ended), intents };
}
