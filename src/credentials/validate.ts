import { assertScope, type Principal } from "../access/principal.ts";
import { change } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantTx } from "../db/tenant.ts";
import type { Verdict } from "../venues/verdict.ts";
import { isValid, settle } from "./consequences.ts";
import { assertMove, type CredentialRow, type Status } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { inspect, venueOf } from "./inspect.ts";
import { openSecret } from "./open.ts";
import { refused } from "./refusals.ts";
import {
  type Changes,
  describePermissions,
  findPolicy,
  lockCredential,
  type LockedRow,
  updateCredential,
} from "./rows.ts";
import { objectionTo } from "./storable.ts";

/** What is told of a verdict: `is_valid` is null when the venue could not tell. */
export type Validation = Readonly<{
  is_valid: boolean | null;
  outcome: Verdict["outcome"];
  message: string;
  permissions: CredentialRow["permissions"];
  account_type: string | null;
  account_status: string | null;
  account: CredentialRow["account_facts"];
  expires_at: string | null;
}>;

export type Validated = Validation & Readonly<{ status: Status }>;

/**
 * Asks the venue about a credential that is kept, and lets the verdict take its consequences. Throws what `openSecret` throws;
 * `credential_inactive` for one that is switched off.
 */
export async function validate(
  custody: Custody,
  principal: Principal,
  credentialId: string,
): Promise<Validated> {
  assertScope(principal, "credentials:validate");
  const target = { id: credentialId, need: "validate", revision: null } as const;
  const { validation, row } = await consult(custody, principal, target);
  return { ...validation, status: row.status };
}

export type Consulted = Readonly<{ validation: Validation; row: CredentialRow }>;

/** Changes of the caller's own, made in the same transaction if the verdict leads to `active`. */
export type Alongside = (
  tx: TenantTx,
  row: LockedRow,
) => Promise<Readonly<{ changes: Changes; event: AuditEvent }>>;

/** Opens the secret for the venue's verdict, and settles it. `activate` is for what is switched off, and switches it on. */
export async function consult(
  custody: Custody,
  principal: Principal,
  { id, need, revision }: Readonly<{ id: string; need: "validate" | "activate"; revision: number | null }>,
  alongside?: Alongside,
): Promise<Consulted> {
  const request = {
    principal,
    credentialId: id,
    need,
    revision,
    event: "credential.used",
    detail: { purpose: "validate" },
  } as const;
  const { verdict, version } = await openSecret(custody, request, async ({ disclosure, fields }) => {
    const { environment, version } = disclosure;
    const venue = venueOf(custody, disclosure.venue, environment);
    return { verdict: await inspect(custody, venue, { environment, fields }), version };
  });
  return change(custody.db, principal, async (tx) => {
    const row = await lockCredential(tx, id);
    if (row === undefined) throw refused("absent");
    const changes = row.version === version ? await consequencesOf(tx, row, verdict, need) : null;
    const status = changes?.status ?? row.status;
    const also = status === "active" ? await alongside?.(tx, row) : undefined;
    const settled =
      changes === null && also === undefined
        ? row
        : await updateCredential(tx, id, { ...changes, ...also?.changes });
    const told = describe(verdict);
    const detail = { credential_id: id, outcome: verdict.outcome, status };
    const validated: AuditEvent = { event: "credential.validated", detail };
    return {
      value: { validation: { ...told, message: changes?.health_message ?? told.message }, row: settled },
      events: also === undefined ? [validated] : [validated, also.event],
    };
  });
}

/** What a verdict about the current version makes of the row; `null` when it changes nothing. */
async function consequencesOf(
  tx: TenantTx,
  row: LockedRow,
  verdict: Verdict,
  need: "validate" | "activate",
): Promise<Changes | null> {
  const valid = verdict.outcome === "valid" ? verdict : null;
  const objection =
    valid === null ? null : objectionTo(valid.permissions, await findPolicy(tx, row.tenant_id));
  const settled = settle(row, verdict, {
    now: row.now,
    activates: need === "activate",
    objection: objection?.detail ?? null,
  });
  if (settled === null) return null;
  if (settled.status !== row.status) assertMove(row.status, settled.status);
  return {
    status: settled.status,
    health: settled.health,
    health_message: settled.healthMessage,
    rejected_at: settled.rejectedAt,
    venue_expires_at: settled.venueExpiresAt,
    last_validated_at: row.now,
    ...(valid === null ? {} : { permissions: valid.permissions, account_facts: valid.account }),
  };
}

export function describe(verdict: Verdict): Validation {
  const valid = verdict.outcome === "valid" ? verdict : null;
  return {
    is_valid: isValid(verdict),
    outcome: verdict.outcome,
    message: verdict.outcome === "valid" ? "The venue accepts the credential." : verdict.message,
    permissions: valid === null ? null : describePermissions(valid.permissions),
    account_type: valid?.account.type ?? null,
    account_status: valid?.account.status ?? null,
    account: valid?.account ?? {},
    expires_at: valid?.expiresAt ?? null,
  };
}
