import { type Selectable, sql } from "kysely";
import { type System, system } from "../../access/principal.ts";
import type { Database } from "../../db/schema.ts";
import { readTenant, serviceScope, type TenantTx } from "../../db/tenant.ts";
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
