import { type RawBuilder, sql } from "kysely";
import type { StoredPermissions, TenantPolicy } from "../db/schema.ts";
import type { TenantTx } from "../db/tenant.ts";
import type { AccountFacts, Permissions } from "../venues/verdict.ts";
import type { Credential, CredentialRow, Policy } from "./credential.ts";
import { freezesOf } from "../tenants/freeze.ts";

type Kept =
  | "grant_mac"
  | "grant_number"
  | "openable"
  | "freezes"
  | "frozen_at"
  | "expires_at"
  | "last_version"
  | "tenant_id"
  | "id"
  | "permissions"
  | "account_facts"
  | "created_at"
  | "updated_at"
  | "revision";
export type Changes = Readonly<
  Partial<Omit<CredentialRow, Kept>> & {
    permissions?: Permissions;
    account_facts?: AccountFacts;
    /** A trigger computes it from the freezes that stand. */
    frozen_at?: RawBuilder<Date | null>;
  }
>;

export async function findCredential(tx: TenantTx, id: string): Promise<CredentialRow | undefined> {
  return tx
    .selectFrom("credentials")
    .selectAll()
    .select(freezesOf("credentials").as("freezes"))
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
}

/** With the database's time: stored times follow one clock. */
export type LockedRow = CredentialRow & Readonly<{ now: Date }>;

/** The row, held until the transaction ends: for changes that depend on what it says. */
export async function lockCredential(tx: TenantTx, id: string): Promise<LockedRow | undefined> {
  return tx
    .selectFrom("credentials")
    .selectAll()
    .select(freezesOf("credentials").as("freezes"))
    .select(sql<Date>`clock_timestamp()`.as("now"))
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forUpdate()
    .executeTakeFirst();
}

/** What the tenant decides for its credentials. */
export async function findPolicy(tx: TenantTx, tenantId: string): Promise<TenantPolicy> {
  const row = await tx
    .selectFrom("tenants")
    .select("policy")
    .where("id", "=", tenantId)
    .executeTakeFirstOrThrow();
  return row.policy;
}

export type NewCredential = Readonly<{
  tenantId: string;
  id: string;
  accountId: string;
  ownerId: string;
  venue: string;
  environment: CredentialRow["environment"];
  label: string;
  status: "active" | "pending";
  permissions: Permissions | null;
  account: AccountFacts;
  policy: Policy;
  store: CredentialRow["store"];
  ownerExpiresAt: Date | null;
  /** Until the venue is asked about it for the first time after this. */
  checkInMinutes: number;
  venueExpiresAt: Date | null;
}>;

export async function insertCredential(tx: TenantTx, credential: NewCredential): Promise<CredentialRow> {
  const validated = credential.status === "active";
  return tx
    .insertInto("credentials")
    .values({
      tenant_id: credential.tenantId,
      id: credential.id,
      account_id: credential.accountId,
      owner_id: credential.ownerId,
      venue: credential.venue,
      environment: credential.environment,
      label: credential.label,
      status: credential.status,
      permissions:
        credential.permissions === null ? null : JSON.stringify(describePermissions(credential.permissions)),
      account_facts: JSON.stringify(credential.account),
      allow: [...credential.policy.allow],
      reveal: credential.policy.reveal,
      store: credential.store,
      owner_expires_at: credential.ownerExpiresAt,
      next_check_at: sql<Date>`now() + ${credential.checkInMinutes} * interval '1 minute'`,
      venue_expires_at: credential.venueExpiresAt,
      health: validated && credential.permissions?.read !== "unknown" ? "healthy" : "unknown",
      health_message: null,
      last_validated_at: validated ? sql<Date>`now()` : null,
    })
    .returningAll()
    .returning(freezesOf("credentials").as("freezes"))
    .executeTakeFirstOrThrow();
}

/** Writes the changes and raises the revision, which is the ETag and what every cached copy is held against. */
export async function updateCredential(tx: TenantTx, id: string, changes: Changes): Promise<CredentialRow> {
  const { permissions, account_facts, ...plain } = changes;
  return tx
    .updateTable("credentials")
    .set({
      ...plain,
      ...(permissions === undefined ? {} : { permissions: JSON.stringify(describePermissions(permissions)) }),
      ...(account_facts === undefined ? {} : { account_facts: JSON.stringify(account_facts) }),
      revision: sql`revision + 1`,
      updated_at: sql`now()`,
    })
    .where("id", "=", id)
    .returningAll()
    .returning(freezesOf("credentials").as("freezes"))
    .executeTakeFirstOrThrow();
}

/** Notes of the watch over a credential, which change nothing that its owner sees: the revision stays. */
export async function rescheduleCredential(
  tx: TenantTx,
  id: string,
  notes: Partial<
    Pick<
      CredentialRow,
      | "last_validated_at"
      | "next_check_at"
      | "check_attempts"
      | "check_leased_until"
      | "warned_days"
      | "estimated_expires_at"
      | "unused_days"
    >
  >,
): Promise<void> {
  await tx.updateTable("credentials").set(notes).where("id", "=", id).execute();
}

export async function insertVersion(
  tx: TenantTx,
  row: Pick<CredentialRow, "tenant_id" | "id" | "version" | "store">,
  dataKeyId: string,
  /** For a key that Keyhold had before. */
  keySince?: Date,
): Promise<void> {
  await tx
    .insertInto("credential_versions")
    .values({
      tenant_id: row.tenant_id,
      credential_id: row.id,
      version: row.version,
      store: row.store,
      data_key_id: dataKeyId,
      state: "current",
      ...(keySince === undefined ? {} : { key_since: keySince }),
    })
    .execute();
}

/** The present version becomes the one before, which is kept for an overlap. */
export async function retireVersion(tx: TenantTx, credentialId: string, version: number): Promise<void> {
  await tx
    .updateTable("credential_versions")
    .set({ state: "retired" })
    .where("credential_id", "=", credentialId)
    .where("version", "=", version)
    .where("state", "=", "current")
    .execute();
}

/** The other way round. Answers where it rests. */
export async function reviveVersion(
  tx: TenantTx,
  credentialId: string,
  version: number,
): Promise<CredentialRow["store"]> {
  const { store } = await tx
    .updateTable("credential_versions")
    .set({ state: "current" })
    .where("credential_id", "=", credentialId)
    .where("version", "=", version)
    .where("state", "=", "retired")
    .returning("store")
    .executeTakeFirstOrThrow();
  return store;
}

export type EndedVersion = Readonly<{ version: number; store: CredentialRow["store"]; key_since: Date }>;

/** Marks every version that is left as destroyed; the bytes themselves go by the intents that the caller adds. Nothing needs its key. */
export async function endVersions(tx: TenantTx, credentialId: string): Promise<readonly EndedVersion[]> {
  // With the old version gone there is no overlap.
  await tx
    .updateTable("rotations")
    .set({ state: "finished", ended_at: sql`now()` })
    .where("credential_id", "=", credentialId)
    .where("state", "=", "overlap")
    .execute();
  return ended(tx, credentialId).execute();
}

/** The same for one version; nothing when it has ended before. */
export async function endVersion(
  tx: TenantTx,
  credentialId: string,
  version: number,
): Promise<readonly EndedVersion[]> {
  return ended(tx, credentialId).where("version", "=", version).execute();
}

function ended(tx: TenantTx, credentialId: string) {
  return tx
    .updateTable("credential_versions")
    .set({ state: "destroyed", data_key_id: null, destroyed_at: sql`now()` })
    .where("credential_id", "=", credentialId)
    .where("state", "<>", "destroyed")
    .returning(["version", "store", "key_since"]);
}

export function toCredential(row: CredentialRow): Credential {
  return {
    id: row.id,
    account_id: row.account_id,
    owner_id: row.owner_id,
    venue: row.venue,
    environment: row.environment,
    label: row.label,
    status: row.status,
    switched_off_rank: row.status === "inactive" ? (row.switched_off_rank ?? "owner") : null,
    frozen: row.frozen_at !== null,
    freezes: row.freezes,
    permissions: row.permissions,
    account: row.account_facts,
    policy: { allow: row.allow, reveal: row.reveal },
    secret: { store: row.store, version: row.version },
    health: row.health,
    health_message: row.health_message,
    expires_at: row.expires_at?.toISOString() ?? null,
    last_validated_at: row.last_validated_at?.toISOString() ?? null,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** Permissions as they are kept and shown. */
export function describePermissions({ boundIps, unknownWords, ...grants }: Permissions): StoredPermissions {
  return { ...grants, bound_ips: boundIps, unknown_words: unknownWords };
}
