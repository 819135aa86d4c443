import { system } from "../../access/principal.ts";
import { changeUnlessDone } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { readTenant, serviceScope } from "../../db/tenant.ts";
import type { DataKeySource } from "../../key-encryption/key-provider.ts";
import type { DataKeyRef } from "./rotate.ts";

/**
 * Wraps a data key with the newest key-encryption key; the data key itself and what it sealed stay as they are. Does nothing for a
 * key that is gone or wrapped so already. Throws `key_unavailable` and `record_unavailable`.
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
