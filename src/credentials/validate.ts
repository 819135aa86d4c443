import { assertScope, type Principal } from "../access/principal.ts";
import { change } from "../audit/change.ts";
import type { Verdict } from "../venues/verdict.ts";
import { isValid, settle } from "./consequences.ts";
import { assertMove, type CredentialRow, type Status } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { inspect, venueOf } from "./inspect.ts";
import { openSecret } from "./open.ts";
import { describePermissions, lockCredential, updateCredential } from "./rows.ts";
import { refused } from "./refusals.ts";

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
 * Asks the venue about a credential that is kept, and lets the verdict take its consequences. `activate` asks about one that is
 * switched off as well. Throws what `openSecret` throws; `credential_inactive` for one that is switched off.
 */
export async function validate(
  custody: Custody,
  principal: Principal,
  credentialId: string,
  need: "validate" | "activate" = "validate",
): Promise<Validated> {
  assertScope(principal, "credentials:validate");
  const request = {
    principal,
    credentialId,
    need,
    revision: null,
    event: "credential.used",
    detail: { purpose: "validate" },
  } as const;
  return openSecret(custody, request, async ({ disclosure, fields }) => {
    const venue = venueOf(custody, disclosure.venue, disclosure.environment);
    const verdict = await inspect(custody, venue, { environment: disclosure.environment, fields });
    const status = await applyVerdict(custody, principal, credentialId, disclosure.version, verdict);
    return { ...describe(verdict), status };
  });
}

/** Writes what a verdict about one version leads to; a version that is not the current one any more changes nothing. */
async function applyVerdict(
  custody: Pick<Custody, "db">,
  principal: Principal,
  credentialId: string,
  version: number,
  verdict: Verdict,
): Promise<Status> {
  return change(custody.db, principal, async (tx) => {
    const row = await lockCredential(tx, credentialId);
    if (row === undefined) throw refused("absent");
    const settled = row.version === version ? settle(row, verdict, new Date()) : null;
    const status = settled?.status ?? row.status;
    if (settled !== null) {
      if (status !== row.status) assertMove(row.status, status);
      await updateCredential(tx, credentialId, {
        status,
        health: settled.health,
        health_message: settled.healthMessage,
        rejected_at: settled.rejectedAt,
        expires_at: settled.expiresAt,
        last_validated_at: new Date(),
        ...(verdict.outcome === "valid"
          ? { permissions: verdict.permissions, account_facts: verdict.account }
          : {}),
      });
    }
    const detail = { credential_id: credentialId, outcome: verdict.outcome, status };
    return { value: status, events: [{ event: "credential.validated", detail }] };
  });
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
