import { type Selectable, sql } from "kysely";
import { type System, system } from "../../access/principal.ts";
import type { Database } from "../../db/schema.ts";
import { readTenant, serviceScope, type TenantTx } from "../../db/tenant.ts";
import type { KeyFailure, KeyRevocation } from "../../venues/keys/venue-keys.ts";
import type { Custody } from "../custody.ts";

/** One rotation by a key that Keyhold makes at the venue, as far as it has come. */
export type Run = Readonly<Selectable<Database["venue_rotations"]>>;

export async function findRun(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  credentialId: string,
): Promise<Run | undefined> {
  return readTenant(db, serviceScope(tenantId), (tx) => readRun(tx, credentialId));
}

/** The same inside a transaction. */
export async function readRun(tx: TenantTx, credentialId: string): Promise<Run | undefined> {
  return tx
    .selectFrom("venue_rotations")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
}

/** Who does what the clock brings at the venue. */
export function rotatorOf(tenantId: string): System {
  return system(tenantId, "rotate-at-venue");
}

type Move = Readonly<{
  stage?: Run["stage"];
  rotation_id?: string | null;
  reason?: string | null;
  attempts?: number;
  dueInMs: number;
}>;

/** Moves a run that is still where it was seen. Answers whether it was. */
export async function moveRun(tx: TenantTx, seen: Run, { dueInMs, ...changes }: Move): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("venue_rotations")
    .set({ ...changes, due_at: sql<Date>`now() + ${dueInMs} * interval '1 millisecond'` })
    .where("id", "=", seen.id)
    .where("stage", "=", seen.stage)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Nothing of it is left to do. Answers whether it was still where it was seen. */
export async function endRun(tx: TenantTx, seen: Run): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("venue_rotations")
    .where("id", "=", seen.id)
    .where("stage", "=", seen.stage)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/** The key that was put in force is not wanted any more: it goes at the venue, too. */
export async function withdrawAfterRollBack(tx: TenantTx, rotationId: string): Promise<void> {
  await tx
    .updateTable("venue_rotations")
    .set({ stage: "withdrawing", rotation_id: null, reason: "rolled_back", attempts: 0, due_at: sql`now()` })
    .where("rotation_id", "=", rotationId)
    .execute();
}

/** What a step at the venue has come to, and what follows. */
export type Next =
  /** The venue, or a store, could not tell: the step is repeated, each time a while later. */
  | Readonly<{ to: "later"; reason: string; message: string }>
  /** Once more after this time; nothing went wrong. */
  | Readonly<{ to: "again"; afterMs: number }>
  /** The key that was made, if it was, must go. */
  | Readonly<{ to: "withdraw"; reason: string; message: string }>
  /** There is no new key at the venue (any more), and the old one is in force. */
  | Readonly<{ to: "given-up"; reason: string; message: string }>
  /** The overlap is over, but somebody may still need the old key. */
  | Readonly<{ to: "wait" }>
  /** The step has moved the run itself, or somebody else has. */
  | Readonly<{ to: "moved" }>;

export const moved: Next = { to: "moved" };

/** What a venue refuses now it may grant later: the parent key is given its right, say. */
export function laterAfter(failure: KeyFailure): Next {
  const reason = failure.outcome === "refused" ? failure.reason : failure.outcome;
  return { to: "later", reason, message: failure.message };
}

/** Whether a deletion left the key there, or may have. That it was gone before is as good as that it is now. */
export function isFailure(revoked: KeyRevocation): revoked is KeyFailure {
  return revoked.outcome !== "revoked" && revoked.outcome !== "absent";
}
