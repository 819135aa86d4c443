import { assertScope, type Principal } from "../access/principal.ts";
import { KeyholdError } from "../errors.ts";
import { changeRow } from "./change-row.ts";
import { assertMove, type Credential, type CredentialRow, type Policy } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { rejectDuplicates } from "./duplicates.ts";
import { toCredential, updateCredential } from "./rows.ts";
import { show } from "./show.ts";
import { validate } from "./validate.ts";

export type Update = Readonly<{
  label?: string;
  /** Switching on asks the venue first: only a valid verdict leads back to `active`. */
  active?: boolean;
  expiresAt?: Date | null;
  policy?: Partial<Policy>;
}>;

/**
 * Changes label, policy, expiry or the active flag, if the credential still has the revision that the caller has seen. Throws
 * `stale` otherwise, `duplicate` for a label in use, `illegal_state`, and for switching on what `validate` throws or
 * `venue_rejected` when the venue does not accept the key.
 */
export async function update(
  custody: Custody,
  principal: Principal,
  id: string,
  revision: number,
  input: Update,
): Promise<Credential> {
  assertScope(principal, "credentials:write");
  const updated = await changeRow(custody, principal, { id, revision, action: "update" }, async (tx, row) => {
    if (input.label !== undefined && input.label !== row.label) {
      await rejectDuplicates(tx, { ...row, accountId: row.account_id, label: input.label });
    }
    const changes = changesOf(row, input);
    const detail = { credential_id: id, changed: Object.keys(changes) };
    return {
      value: toCredential(await updateCredential(tx, id, changes)),
      events: [{ event: "credential.updated", detail }],
    };
  });
  if (input.active !== true || updated.status === "active") return updated;
  return switchOn(custody, principal, id);
}

function changesOf(row: CredentialRow, { label, active, expiresAt, policy }: Update) {
  if (row.status === "revoked")
    throw new KeyholdError("illegal_state", "A revoked credential cannot be changed.");
  if (active === false && row.status !== "inactive") assertMove(row.status, "inactive");
  return {
    ...(label === undefined ? {} : { label }),
    ...(active === false ? { status: "inactive" as const } : {}),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(policy?.allow === undefined ? {} : { allow: [...policy.allow] }),
    ...(policy?.reveal === undefined ? {} : { reveal: policy.reveal }),
  };
}

async function switchOn(custody: Custody, principal: Principal, id: string): Promise<Credential> {
  const verdict = await validate(custody, principal, id, "activate");
  if (verdict.status === "active") return show(custody, principal, id);
  const code = verdict.is_valid === null ? "venue_unavailable" : "venue_rejected";
  throw new KeyholdError(code, `The credential stays ${verdict.status}: ${verdict.message}`, {
    facts: { outcome: verdict.outcome },
  });
}
