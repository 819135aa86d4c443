import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { rotateAfterDays, rotateAfterOperations } from "../crypto/keys.ts";
import type { Db } from "../db/connect.ts";
import { each, type Tally, type Due } from "../db/sweep.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";

/** A data key of a tenant. */
type DataKeyRef = Readonly<{ tenantId: string; id: string }>;

/**
 * Gives the data key that seals a tenant's secrets a successor. Secrets under the old key stay readable, and
 * are resealed one credential at a time. Does nothing if the key already has a successor. Throws
 * `key_unavailable` and `record_unavailable`.
 */
export async function rotateDataKey(
  { db, dataKeys }: Readonly<{ db: Db; dataKeys: Pick<DataKeySource, "make"> }>,
  { tenantId, id }: DataKeyRef,
): Promise<void> {
  const successor = await dataKeys.make(tenantId);
  await changeUnlessDone(db, system(tenantId, "rotate-keys"), async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable("data_keys")
      .set({ state: "retired", retired_at: sql`now()` })
      .where("id", "=", id)
      .where("use", "=", "seal")
      .where("state", "=", "active")
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return null;
    const { kekId: kek_id, wrapped } = successor;
    await tx
      .insertInto("data_keys")
      .values({ tenant_id: tenantId, id: successor.id, use: "seal", kek_id, wrapped })
      .execute();
    const detail = { data_key_id: id, successor_id: successor.id };
    return { value: undefined, events: [{ event: "data_key.rotated", detail }] };
  });
}

/**
 * Wraps a data key with the newest key-encryption key. The data key itself, and what it sealed, do not
 * change. Does nothing for a key that is gone or already wrapped with it. Throws `key_unavailable` and
 * `record_unavailable`.
 */
export async function rewrapDataKey(
  { db, dataKeys }: Readonly<{ db: Db; dataKeys: Pick<DataKeySource, "newestKekId" | "rewrap"> }>,
  { tenantId, id }: DataKeyRef,
): Promise<void> {
  const row = await readTenant(db, serviceScope(tenantId), (tx) =>
    tx.selectFrom("data_keys").select(["kek_id", "wrapped"]).where("id", "=", id).executeTakeFirst(),
  );
  if (row === undefined || row.kek_id === dataKeys.newestKekId) return;
  const { kekId, wrapped } = await dataKeys.rewrap(tenantId, { id, kekId: row.kek_id, wrapped: row.wrapped });
  await changeUnlessDone(db, system(tenantId, "rotate-keys"), async (tx) => {
    const { numUpdatedRows } = await tx
      .updateTable("data_keys")
      .set({ kek_id: kekId, wrapped })
      .where("id", "=", id)
      .where("kek_id", "=", row.kek_id)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return null;
    const detail = { data_key_id: id, kek_id: kekId };
    return { value: undefined, events: [{ event: "data_key.rewrapped", detail }] };
  });
}

/**
 * Removes a retired data key that seals nothing any more, so that old copies of what it sealed can never be
 * opened. The database refuses this as long as a version needs the key.
 */
export async function destroyDataKey(
  { db, dataKeys }: Readonly<{ db: Db; dataKeys: Pick<DataKeySource, "forget"> }>,
  { tenantId, id }: DataKeyRef,
): Promise<void> {
  await changeUnlessDone(db, system(tenantId, "rotate-keys"), async (tx) => {
    const { numDeletedRows } = await tx
      .deleteFrom("data_keys")
      .where("id", "=", id)
      .where("state", "=", "retired")
      .executeTakeFirst();
    if (numDeletedRows === 0n) return null;
    return { value: undefined, events: [{ event: "data_key.destroyed", detail: { data_key_id: id } }] };
  });
  dataKeys.forget(id);
}

const maxAtOnce = 100;
const dayMs = 86_400_000;

/** Gives successors to data keys that are old or have sealed many secrets. */
export async function rotateWornDataKeys(
  custody: Readonly<{ db: Db; dataKeys: DataKeySource }>,
): Promise<Tally> {
  const since = new Date(Date.now() - rotateAfterDays * dayMs);
  return each(await sealingKeys(custody.db, since, maxAtOnce), (key) => rotateDataKey(custody, key));
}

/** Destroys retired data keys that seal nothing any more. */
export async function destroyUnusedDataKeys(
  custody: Readonly<{ db: Db; dataKeys: DataKeySource }>,
): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.unused_data_keys(${maxAtOnce})`.execute(custody.db);
  return each(rows.map(toRef), (key) => destroyDataKey(custody, key));
}

/** Sealing data keys that were made before a moment, or have reached their limit of operations. */
export async function sealingKeys(db: Db, madeBefore: Date, most: number): Promise<readonly DataKeyRef[]> {
  const { rows } =
    await sql<Due>`select * from clock.sealing_keys(${madeBefore}, ${rotateAfterOperations}, ${most})`.execute(
      db,
    );
  return rows.map(toRef);
}

/** The time by the clock that dates data keys. By another clock, a new key could seem old. */
export async function databaseTime(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  return rows[0]?.now ?? new Date();
}

/** Data keys that are wrapped with another key-encryption key than this one. */
export async function wrappedOtherwise(db: Db, kekId: string, most: number): Promise<readonly DataKeyRef[]> {
  const { rows } = await sql<Due>`select * from clock.data_keys_wrapped_otherwise(${kekId}, ${most})`.execute(
    db,
  );
  return rows.map(toRef);
}

/** How many data keys each key-encryption key wraps. */
export async function countDataKeys(db: Db) {
  const { rows } = await sql<Readonly<{ kek_id: string; state: "active" | "retired"; count: number }>>`
    select * from clock.data_key_counts()`.execute(db);
  return rows;
}

function toRef({ tenant_id: tenantId, id }: Due): DataKeyRef {
  return { tenantId, id };
}
