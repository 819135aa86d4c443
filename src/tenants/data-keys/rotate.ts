import { sql } from "kysely";
import { system } from "../../access/principal.ts";
import { changeUnlessDone } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import type { DataKeySource } from "../../key-encryption/key-provider.ts";

/** A data key of a tenant. */
export type DataKeyRef = Readonly<{ tenantId: string; id: string }>;

/**
 * Gives the data key that seals a tenant's secrets a successor. What the old one sealed stays readable, and is resealed one
 * credential at a time. Does nothing when the key has a successor already. Throws `key_unavailable` and `record_unavailable`.
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
