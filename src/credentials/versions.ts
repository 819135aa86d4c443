import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import type { Database } from "../db/schema.ts";
import type { TenantTx } from "../db/tenant.ts";
import type { CredentialRow } from "./credential.ts";

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

/** Retires the present version, which is kept for an overlap. */
export async function retireVersion(tx: TenantTx, credentialId: string, version: number): Promise<void> {
  await tx
    .updateTable("credential_versions")
    .set({ state: "retired" })
    .where("credential_id", "=", credentialId)
    .where("version", "=", version)
    .where("state", "=", "current")
    .execute();
}

/** Makes a retired version the present one again. Returns the store in which it rests. */
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

/**
 * Marks every version that is left as destroyed, and releases its data key. The bytes go by the intents that
 * the caller adds.
 */
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

/** Seconds for which both versions are kept: where the caller says nothing, and at most. */
export const defaultOverlapSeconds = 3600;
export const longestOverlapSeconds = 86_400;

/** The rotation that is under way; there is never a second. */
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

/** The versions that rotations have replaced, with where each rests. */
export function selectOldVersion(tx: TenantTx) {
  return tx
    .selectFrom("rotations as r")
    .innerJoin("credential_versions as v", (join) =>
      join.onRef("v.credential_id", "=", "r.credential_id").onRef("v.version", "=", "r.from_version"),
    )
    .select(["r.id as rotation", "v.version", "v.store"]);
}

/** A rotation from the present version of `row` to another. */
export async function insertRotation(
  tx: TenantTx,
  row: Pick<CredentialRow, "tenant_id" | "id" | "version">,
  to: number,
  overlapSeconds: number,
): Promise<RotationRow> {
  const isOver = overlapSeconds === 0;
  return tx
    .insertInto("rotations")
    .values({
      tenant_id: row.tenant_id,
      id: randomUUID(),
      credential_id: row.id,
      from_version: row.version,
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

/** A rotation as its events describe it. */
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
