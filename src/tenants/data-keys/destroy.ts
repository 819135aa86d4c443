import { system } from "../../access/principal.ts";
import { changeUnlessDone } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import type { DataKeySource } from "../../key-encryption/key-provider.ts";
import type { DataKeyRef } from "./rotate.ts";

/**
 * Removes a retired data key that nothing is sealed with any more, so that old copies of what it sealed stay closed for ever. The
 * database refuses it as long as a version needs the key.
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
