import { type RawBuilder, sql } from "kysely";
import { type Principal, scopeOf } from "../access/principal.ts";
import { changeLocked } from "../audit/change-locked.ts";
import { refuseMiss } from "../audit/refusals.ts";
import { type TenantTx, readTenant } from "../db/tenant.ts";
import { type ErrorFacts, KeyholdError } from "../errors.ts";
import { scrubDatabaseError } from "../telemetry/reduce-error.ts";
import { freezesOf } from "../tenants/freeze.ts";
import type { AccountFacts, Permissions } from "../venues/verdict.ts";
import { type CredentialRow, describePermissions, type Policy } from "./credential.ts";
import type { Custody } from "./custody.ts";

/** Columns that a verb may change. */
export type Changes = Readonly<
  Partial<
    Pick<
      CredentialRow,
      | "label"
      | "status"
      | "switched_off_rank"
      | "allow"
      | "reveal"
      | "store"
      | "version"
      | "owner_expires_at"
      | "venue_expires_at"
      | "health"
      | "health_message"
      | "last_validated_at"
      | "rejected_at"
      | "refused_since"
      | "refused_as"
      | "held_at"
      | "warned_days"
      | "deleted_at"
    >
  > & {
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

/** The row, held until the transaction ends. */
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
  /** Minutes until the first check. */
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

/** Writes the changes and raises the revision, which is the ETag and is compared with that of every cached copy. */
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

/** Writes what the checks note for themselves. Its owner sees no change, so the revision stays. */
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

/** The row, or the refusal that a miss means. */
export async function readRow(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
  action: string,
): Promise<CredentialRow> {
  const row = await readTenant(custody.db, scopeOf(principal), (tx) => findCredential(tx, id));
  return row ?? refuseMiss(custody.db, principal, { kind: "credential", id, action });
}

/** A change of one credential. Throws `stale`, or what a miss means. */
export const changeCredential = changeLocked("credential", lockCredential);

/** Throws `duplicate` if the account has a credential of this venue, environment and label that is not revoked. */
export async function rejectDuplicates(
  tx: TenantTx,
  place: Pick<NewCredential, "accountId" | "venue" | "environment" | "label">,
): Promise<void> {
  const present = await tx
    .selectFrom("credentials")
    .select("id")
    .where("account_id", "=", place.accountId)
    .where("venue", "=", place.venue)
    .where("environment", "=", place.environment)
    .where("label", "=", place.label)
    .where("status", "<>", "revoked")
    .executeTakeFirst();
  if (present === undefined) return;
  throw duplicate({ credential_id: present.id });
}

/**
 * If two look at once and find nothing, the index lets one through. Throws `duplicate` for the error of the
 * other, or the error itself.
 */
export function asDuplicate(error: unknown): never {
  throw scrubDatabaseError(error)?.constraint === "credentials_one_per_label" ? duplicate({}) : error;
}

function duplicate(facts: ErrorFacts): KeyholdError {
  return new KeyholdError(
    "duplicate",
    "The account has such a credential already. Replace its secret, revoke it, or choose another label.",
    { facts },
  );
}
