import { randomUUID } from "node:crypto";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import { refuseMiss } from "../audit/refusals.ts";
import type { TenantPolicy } from "../db/stored-json.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { defaultCheckMinutes } from "../tenants/tenant.ts";
import type { Environment, SecretFields, Venue } from "../venues/venue.ts";
import type { Valid } from "../venues/verdict.ts";
import { type Credential, defaultPolicy, type Policy, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { ruleNotes } from "./expiry.ts";
import { venueOf } from "./inspect.ts";
import { assertStorable, judgeSecret } from "./judge.ts";
import { keepVersion } from "./keep.ts";
import { expiryOf } from "./outcome.ts";
import {
  asDuplicate,
  insertCredential,
  type NewCredential,
  rejectDuplicates,
  rescheduleCredential,
} from "./rows.ts";
import { assertFields } from "./secret.ts";
import { spreadOut } from "./settle.ts";
import { insertVersion } from "./versions.ts";

export type Registration = Readonly<{
  accountId: string;
  venue: string;
  environment: Environment;
  label?: string;
  /** The caller disposes of them. */
  fields: SecretFields;
  policy?: Partial<Policy>;
  expiresAt?: Date | null;
  /**
   * `deferred` keeps a credential that the venue was not asked about as `pending`, where the tenant's policy
   * permits it.
   */
  validation?: "now" | "deferred";
}>;

/**
 * Registers a credential: asks the venue first, and keeps the secret only if the venue accepts it and the
 * tenant's policy has no objection. Throws `malformed`, `forbidden`, `not_found`, `duplicate`,
 * `venue_rejected`, `venue_ambiguous`, `venue_unproven`, `venue_permission`, `venue_ip`, `venue_unavailable`,
 * `withdraw_refused`, `permissions_unknown`, `store_unavailable`, `key_unavailable`; then nothing is kept.
 */
export async function register(
  custody: Custody,
  principal: Principal,
  input: Registration,
): Promise<Answered<Credential>> {
  assertScope(principal, "credentials:write");
  const venue = venueOf(custody, input.venue, input.environment);
  assertFields(venue.description, input.fields);
  // The caller may use a former name of the venue; the credential is kept under the present one.
  const asked = { ...input, venue: venue.description.id, label: input.label ?? "default" };
  const account = await findAccount(custody, principal, asked);
  const verdict = await judge(custody, principal, venue, asked, account.policy);
  const id = randomUUID();
  const credential: NewCredential = {
    tenantId: principal.tenantId,
    id,
    accountId: input.accountId,
    ownerId: account.ownerId,
    venue: asked.venue,
    environment: asked.environment,
    label: asked.label,
    status: verdict === null ? "pending" : "active",
    permissions: verdict?.permissions ?? null,
    account: verdict?.account ?? {},
    policy: { ...defaultPolicy, ...input.policy },
    store: custody.stores.first.name,
    ownerExpiresAt: input.expiresAt ?? null,
    checkInMinutes:
      verdict === null ? 0 : spreadOut(account.policy.check_minutes ?? defaultCheckMinutes, Math.random()),
    venueExpiresAt: verdict === null ? null : expiryOf(verdict),
  };
  return keep(custody, principal, credential, input.fields);
}

async function findAccount(
  custody: Pick<Custody, "db">,
  principal: Principal,
  input: Registration & Readonly<{ label: string }>,
): Promise<Readonly<{ ownerId: string; policy: TenantPolicy }>> {
  const found = await readTenant(custody.db, scopeOf(principal), async (tx) => {
    const account = await selectAccount(tx, input.accountId).executeTakeFirst();
    if (account !== undefined) await rejectDuplicates(tx, input);
    return account;
  });
  if (found === undefined) {
    return refuseMiss(custody.db, principal, { kind: "account", id: input.accountId, action: "register" });
  }
  assertTakes(found);
  return { ownerId: found.owner_id, policy: found.policy };
}

/** The venue's verdict, `null` when it is deferred. Throws unless the credential may be kept. */
async function judge(
  custody: Custody,
  principal: Principal,
  venue: Venue,
  input: Registration & Readonly<{ label: string }>,
  policy: TenantPolicy,
): Promise<Valid | null> {
  if (input.validation === "deferred") {
    assertDeferrable(policy);
    return null;
  }
  return judgeSecret(custody, principal, venue, input, {
    refusal(reason, outcome) {
      const { environment, accountId: account_id } = input;
      const detail = { venue: input.venue, environment, account_id, reason };
      return { event: "credential.refused_at_register", detail, outcome };
    },
  });
}

async function keep(
  custody: Custody,
  principal: Principal,
  credential: NewCredential,
  fields: SecretFields,
): Promise<Answered<Credential>> {
  const { tenantId, id: credentialId, venue, environment, label, accountId: account_id, status } = credential;
  const of = { tenantId, credentialId, venue, environment };
  return keepVersion(
    custody,
    principal,
    { kind: "register", of, fields },
    async (tx, { version, dataKeyId }) => {
      await holdAccount(tx, credential);
      await rejectDuplicates(tx, credential);
      const row = await insertCredential(tx, credential).catch(asDuplicate);
      await insertVersion(tx, row, dataKeyId);
      await rescheduleCredential(tx, row.id, await ruleNotes(tx, row));
      const detail = { credential_id: credentialId, account_id, venue, environment, label, status, version };
      return { value: toCredential(row), events: [{ event: "credential.registered", detail }] };
    },
  );
}

/**
 * Looks at the account again, because the venue took its time: it may have been deleted, frozen or switched
 * off meanwhile, and the policy changed. From here on such a change waits, and finds the credential.
 */
async function holdAccount(tx: TenantTx, { accountId, permissions, status }: NewCredential): Promise<void> {
  const account = await selectAccount(tx, accountId)
    .where("tenants.status", "=", "active")
    .forShare("accounts")
    .executeTakeFirst();
  if (account === undefined) throw new KeyholdError("not_found", "There is no such account any more.");
  assertTakes(account);
  if (permissions !== null) assertStorable(permissions, account.policy);
  if (status === "pending") assertDeferrable(account.policy);
}

function selectAccount(tx: TenantTx, id: string) {
  return tx
    .selectFrom("accounts")
    .innerJoin("tenants", "tenants.id", "accounts.tenant_id")
    .select(["owner_id", "active", "policy", "accounts.frozen_at", "tenants.frozen_at as tenant_frozen_at"])
    .where("accounts.id", "=", id)
    .where("accounts.deleted_at", "is", null);
}

function assertTakes({
  active,
  frozen_at,
  tenant_frozen_at,
}: Readonly<{ active: boolean; frozen_at: Date | null; tenant_frozen_at: Date | null }>): void {
  if (!active)
    throw new KeyholdError("credential_inactive", "The account is switched off. Activate it first.");
  if ((frozen_at ?? tenant_frozen_at) !== null)
    throw new KeyholdError("frozen", "The account or its tenant is frozen. Unfreeze it first.");
}

function assertDeferrable({ allow_deferred }: TenantPolicy): void {
  if (allow_deferred !== true)
    throw new KeyholdError("policy_forbids", "The tenant's policy does not permit deferred validation.");
}
