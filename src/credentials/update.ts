import { assertScope, type Principal, assertMaySwitchOn, switchedOffBy } from "../access/principal.ts";
import { assertSeen } from "../audit/change-locked.ts";
import type { Answered } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { assertMove, type Credential, type CredentialRow, type Policy, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { codeOf } from "./outcome.ts";
import {
  asDuplicate,
  changeCredential,
  type Changes,
  readRow,
  rejectDuplicates,
  updateCredential,
} from "./rows.ts";
import { consult, type Consulted } from "./validate.ts";

type Update = Readonly<{
  label?: string;
  /** Switching on asks the venue first: only a valid verdict leads back to `active`. */
  active?: boolean;
  expiresAt?: Date | null;
  policy?: Partial<Policy>;
}>;

/**
 * Changes label, policy, expiry or the active flag, all or nothing, if the credential still has the revision
 * that the caller has seen. Throws `stale` otherwise, `duplicate` for a label in use, and `illegal_state`.
 * Switching on throws `forbidden` when a higher rank has switched the credential off, what `validate` throws,
 * and what the venue's refusal means.
 */
export async function update(
  custody: Custody,
  principal: Principal,
  id: string,
  revision: number,
  input: Update,
): Promise<Answered<Credential>> {
  assertScope(principal, "credentials:write");
  const row = await readRow(custody, principal, id, "update");
  assertSeen(row.revision, revision);
  if (input.active === true && row.status !== "active") return switchOn(custody, principal, row, input);
  return changeCredential(custody.db, principal, { id, revision, action: "update" }, async (tx, row) => {
    const { changes, event } = await prepare(tx, principal, row, input);
    return { value: toCredential(await write(tx, id, changes)), events: [event] };
  });
}

/**
 * One transaction applies the venue's verdict and the other changes. Without a valid verdict there are no
 * other changes.
 */
async function switchOn(
  custody: Custody,
  principal: Principal,
  { id, status, revision, switched_off_rank: rank }: CredentialRow,
  input: Update,
): Promise<Answered<Credential>> {
  assertMove(status, "active");
  if (status === "inactive") assertMaySwitchOn(principal, rank, "credential");
  const target = { id, need: "activate", revision, purpose: "validate" } as const;
  return consult(custody, principal, target, switchedOn, (tx, row) => {
    assertSeen(row.revision, revision);
    return prepare(tx, principal, row, input);
  }).catch(asDuplicate);
}

function switchedOn({ row, validation: { outcome, message } }: Consulted) {
  const detail = `The credential stays ${row.status}: ${message}`;
  const refusal =
    row.status === "active" ? null : new KeyholdError(codeOf(outcome), detail, { facts: { outcome } });
  return { value: toCredential(row), refusal };
}

async function prepare(tx: TenantTx, principal: Principal, row: CredentialRow, input: Update) {
  const { label, active, expiresAt, policy } = input;
  if (row.status === "revoked")
    throw new KeyholdError("illegal_state", "A revoked credential cannot be changed.");
  if (active === false && row.status !== "inactive") assertMove(row.status, "inactive");
  if (label !== undefined && label !== row.label) {
    await rejectDuplicates(tx, { ...row, accountId: row.account_id, label });
  }
  const changes = {
    ...(label === undefined ? {} : { label }),
    ...switched(principal, row, active),
    ...(expiresAt === undefined ? {} : { owner_expires_at: expiresAt }),
    ...(policy?.allow === undefined ? {} : { allow: [...policy.allow] }),
    ...(policy?.reveal === undefined ? {} : { reveal: policy.reveal }),
  };
  const changed = Object.keys(changes).filter((name) => name !== "switched_off_rank");
  if (active === true) changed.push("status");
  const event: AuditEvent = { event: "credential.updated", detail: { credential_id: row.id, changed } };
  return { changes, event };
}

function switched(principal: Principal, row: CredentialRow, active: boolean | undefined): Changes {
  const isOff = row.status === "inactive";
  if (active === false) {
    const rank = switchedOffBy(principal, isOff ? row.switched_off_rank : undefined);
    return { status: "inactive", switched_off_rank: rank };
  }
  if (active === undefined || !isOff) return {};
  assertMaySwitchOn(principal, row.switched_off_rank, "credential");
  return { switched_off_rank: null };
}

function write(tx: TenantTx, id: string, changes: Changes): Promise<CredentialRow> {
  return updateCredential(tx, id, changes).catch(asDuplicate);
}
