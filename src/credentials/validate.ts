import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, change } from "../audit/change.ts";
import type { KeyholdError } from "../errors.ts";
import type { Environment, SecretFields } from "../venues/venue.ts";
import type { Verdict } from "../venues/verdict.ts";
import { type CredentialRow, describePermissions, type Status } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { inspect, venueOf } from "./inspect.ts";
import { openSecret, refused, useOf } from "./open.ts";
import { expiryOf, isValid } from "./outcome.ts";
import { lockCredential } from "./rows.ts";
import { assertFields } from "./secret.ts";
import { settleRow, type Target } from "./settle.ts";

/** A verdict as it leaves the service. `is_valid` is null when the venue gave no clear answer. */
type Validation = Readonly<{
  is_valid: boolean | null;
  outcome: Verdict["outcome"];
  message: string;
  permissions: CredentialRow["permissions"];
  account_type: string | null;
  account_status: string | null;
  account: CredentialRow["account_facts"];
  expires_at: string | null;
}>;

export type Consulted = Readonly<{ validation: Validation; row: CredentialRow }>;

/**
 * Asks the venue about a kept secret, applies the verdict to the credential, and returns what `conclude`
 * makes of it.
 */
export async function consult<T extends object>(
  custody: Custody,
  principal: Principal,
  target: Target,
  /** The answer to the caller, or a refusal that is thrown once the verdict is recorded. */
  conclude: (consulted: Consulted) => Readonly<{ value: T; refusal?: KeyholdError | null }>,
  alongside?: Parameters<typeof settleRow>[4],
): Promise<Answered<T>> {
  const { verdict, version } = await ask(custody, principal, target);
  return change(custody.db, principal, async (tx) => {
    const before = await lockCredential(tx, target.id);
    if (before === undefined) throw refused("absent");
    // A verdict about a version that was replaced meanwhile says nothing about the present one.
    const asked = { verdict: before.version === version ? verdict : null, outcome: verdict.outcome };
    const asking = { ...target, ...asked };
    const { row, hold, events } = await settleRow(tx, before, asking, custody.ambiguousMs, alongside);
    const described = describeVerdict(verdict);
    const message = asked.verdict === null ? described.message : (row.health_message ?? described.message);
    const detail = { credential_id: row.id, outcome: verdict.outcome, status: row.status };
    return {
      ...conclude({ validation: { ...described, message }, row }),
      events: [{ event: "credential.validated", detail }, ...events],
      after: () => {
        if (target.purpose === "health") custody.checked(row.tenant_id, row.venue, verdict.outcome);
        if (hold !== null) custody.refusalHeld(row.venue, hold);
      },
    };
  });
}

async function ask(
  custody: Custody,
  principal: Principal,
  { id, need, revision, purpose }: Target,
): Promise<Readonly<{ verdict: Verdict; version: number }>> {
  const request = useOf(principal, id, need, { purpose }, revision);
  return openSecret(custody, request, async ({ disclosure, fields }) => {
    const { environment, version } = disclosure;
    const venue = venueOf(custody, disclosure.venue, environment);
    return {
      verdict: await inspect(custody, venue, { tenantId: principal.tenantId, environment, fields }),
      version,
    };
  });
}

function describeVerdict(verdict: Verdict): Validation {
  const valid = verdict.outcome === "valid" ? verdict : null;
  return {
    is_valid: isValid(verdict),
    outcome: verdict.outcome,
    message: verdict.outcome === "valid" ? "The venue accepts the credential." : verdict.message,
    permissions: valid === null ? null : describePermissions(valid.permissions),
    account_type: valid?.account.type ?? null,
    account_status: valid?.account.status ?? null,
    account: valid?.account ?? {},
    expires_at: valid === null ? null : (expiryOf(valid)?.toISOString() ?? null),
  };
}

/**
 * Asks the venue about a credential that is kept, and applies the verdict to it. Throws what `openSecret`
 * throws; `credential_inactive` for one that is switched off.
 */
export async function validate(
  custody: Custody,
  principal: Principal,
  credentialId: string,
): Promise<Answered<Validation & Readonly<{ status: Status }>>> {
  assertScope(principal, "credentials:validate");
  const target = { id: credentialId, need: "validate", revision: null, purpose: "validate" } as const;
  return consult(custody, principal, target, ({ validation, row }) => ({
    value: { ...validation, status: row.status },
  }));
}

/**
 * Asks the venue about a secret that is not kept; the outcome alone is recorded. Throws `malformed` for an
 * unknown venue or fields that do not fit it.
 */
export async function validateSecret(
  custody: Custody,
  principal: Principal,
  input: Readonly<{ venue: string; environment: Environment; fields: SecretFields }>,
): Promise<Answered<Validation>> {
  assertScope(principal, "credentials:validate");
  const venue = venueOf(custody, input.venue, input.environment);
  assertFields(venue.description, input.fields);
  const verdict = await inspect(custody, venue, { ...input, tenantId: principal.tenantId });
  const detail = { venue: venue.description.id, environment: input.environment, outcome: verdict.outcome };
  return change(custody.db, principal, () =>
    Promise.resolve({ value: describeVerdict(verdict), events: [{ event: "credential.checked", detail }] }),
  );
}
