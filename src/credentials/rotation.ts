import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { Database } from "../db/schema.ts";
import type { TenantTx } from "../db/tenant.ts";

export type RotationRow = Selectable<Database["rotations"]>;

/** A rotation as it leaves the service. */
export type Rotation = Readonly<{
  id: string;
  state: RotationRow["state"];
  from_version: number;
  to_version: number;
  overlap_until: string;
  /** How often the old version was used, because the venue refused the new one. */
  fallbacks: number;
  last_fallback_at: string | null;
  started_at: string;
  ended_at: string | null;
}>;

/** How long both versions are kept when nothing else is said, in seconds; and for how long at most. */
export const defaultOverlapSeconds = 3600;
export const longestOverlapSeconds = 86_400;

/** The one that is under way; there is never a second. */
export async function findOpenRotation(tx: TenantTx, credentialId: string): Promise<RotationRow | undefined> {
  return openRotation(tx, credentialId).executeTakeFirst();
}

/** The same, held until the transaction ends. */
export async function lockOpenRotation(tx: TenantTx, credentialId: string): Promise<RotationRow | undefined> {
  return openRotation(tx, credentialId).forUpdate().executeTakeFirst();
}

function openRotation(tx: TenantTx, credentialId: string) {
  return tx
    .selectFrom("rotations")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .where("state", "=", "overlap");
}

type NewRotation = Readonly<{
  tenantId: string;
  credentialId: string;
  from: number;
  to: number;
  overlapSeconds: number;
}>;

export async function insertRotation(tx: TenantTx, rotation: NewRotation): Promise<RotationRow> {
  const { tenantId, credentialId, from, to, overlapSeconds } = rotation;
  const isOver = overlapSeconds === 0;
  return tx
    .insertInto("rotations")
    .values({
      tenant_id: tenantId,
      id: randomUUID(),
      credential_id: credentialId,
      from_version: from,
      to_version: to,
      state: isOver ? "finished" : "overlap",
      overlap_until: sql<Date>`now() + ${overlapSeconds} * interval '1 second'`,
      ended_at: isOver ? sql<Date>`now()` : null,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

export async function endRotation(
  tx: TenantTx,
  id: string,
  state: "finished" | "rolled_back",
): Promise<RotationRow> {
  return tx
    .updateTable("rotations")
    .set({ state, ended_at: sql`now()` })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** A rotation as its events tell of it. */
export function describeRotation(row: RotationRow) {
  const { credential_id, id: rotation_id, from_version, to_version } = row;
  return { credential_id, rotation_id, from_version, to_version };
}

export function toRotation(row: RotationRow): Rotation {
  return {
    id: row.id,
    state: row.state,
    from_version: row.from_version,
    to_version: row.to_version,
    overlap_until: row.overlap_until.toISOString(),
    fallbacks: row.fallbacks,
    last_fallback_at: row.last_fallback_at?.toISOString() ?? null,
    started_at: row.started_at.toISOString(),
    ended_at: row.ended_at?.toISOString() ?? null,
  };
}
