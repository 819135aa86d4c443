import { type Selectable, sql } from "kysely";
import { type System, system } from "../../access/principal.ts";
import type { Database } from "../../db/schema.ts";
import { readTenant, serviceScope, type TenantTx } from "../../db/tenant.ts";
import type { Custody } from "../custody.ts";
import type { KeyFailure, KeyRevocation } from "../../venues/venue-keys.ts";

/** One rotation by a key that Keyhold makes at the venue, as far as it has come. */
export type Run = Readonly<Selectable<Database["venue_rotations"]>>;

export async function findRun(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  credentialId: string,
): Promise<Run | undefined> {
  return readTenant(db, serviceScope(tenantId), (tx) => readRun(tx, credentialId));
}

/** The same, inside a transaction. */
export async function readRun(tx: TenantTx, credentialId: string): Promise<Run | undefined> {
  return tx
    .selectFrom("venue_rotations")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
}

/** The actor of the rotations that Keyhold makes at the venue. */
export function rotatorOf(tenantId: string): System {
  return system(tenantId, "rotate-at-venue");
}

/** Moves a run if it is still where it was seen. Returns whether it was. */
export async function moveRun(
  tx: TenantTx,
  seen: Run,
  {
    dueInMs,
    ...changes
  }: Partial<Pick<Run, "stage" | "rotation_id" | "reason" | "attempts">> & Readonly<{ dueInMs: number }>,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("venue_rotations")
    .set({ ...changes, due_at: sql<Date>`now() + ${dueInMs} * interval '1 millisecond'` })
    .where("id", "=", seen.id)
    .where("stage", "=", seen.stage)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Ends a run if it is still where it was seen. Returns whether it was. */
export async function endRun(tx: TenantTx, seen: Run): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("venue_rotations")
    .where("id", "=", seen.id)
    .where("stage", "=", seen.stage)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/** After a roll-back the key that was put in force is deleted at the venue, too. */
export async function withdrawAfterRollBack(tx: TenantTx, rotationId: string): Promise<void> {
  await tx
    .updateTable("venue_rotations")
    .set({ stage: "withdrawing", rotation_id: null, reason: "rolled_back", attempts: 0, due_at: sql`now()` })
    .where("rotation_id", "=", rotationId)
    .execute();
}

/** Why a step has not led on. */
export type Failure = Readonly<{ reason: string; message: string }>;

/** What a step at the venue leads to. */
export type Next =
  /** The venue, or a store, gave no clear answer: the step is repeated, each time after a longer pause. */
  | (Failure & Readonly<{ to: "later" }>)
  /** The step is repeated after this time; nothing went wrong. */
  | Readonly<{ to: "again"; afterMs: number }>
  /** If a key was made, it must go. */
  | (Failure & Readonly<{ to: "withdraw" }>)
  /** There is no new key at the venue (any more), and the old one is in force. */
  | (Failure & Readonly<{ to: "given-up" }>)
  /** The overlap is over, but a caller may still need the old key. */
  | Readonly<{ to: "wait" }>
  /** The step has moved the run itself, or another process has. */
  | Readonly<{ to: "moved" }>;

export const moved: Next = { to: "moved" };

/** A venue may grant later what it refuses now, for example when the parent key has been given its right. */
export function laterAfter(failure: KeyFailure): Next {
  const reason = failure.outcome === "refused" ? failure.reason : failure.outcome;
  return { to: "later", reason, message: failure.message };
}

/** Whether a deletion left the key there, or may have. A key that was gone before is no failure. */
export function isFailure(revoked: KeyRevocation): revoked is KeyFailure {
  return revoked.outcome !== "revoked" && revoked.outcome !== "absent";
}
