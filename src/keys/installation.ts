import type { Db } from "../db/connect.ts";
import { StartError } from "../errors.ts";
import type { KeyProvider } from "./key-provider.ts";

/** The key-encryption key that this database was last known to be sealed with; `null` for one without secrets. */
export async function findKekId(db: Db): Promise<string | null> {
  const row = await db.selectFrom("installation").select("kek_id").executeTakeFirst();
  return row?.kek_id ?? null;
}

/**
 * Holds the provider against the database: beside another key every secret would be unreadable, so the start stops instead. A
 * database that knows no key yet learns this one. Throws `StartError`.
 */
export async function assertBelongs(db: Db, provider: KeyProvider): Promise<void> {
  const known = await findKekId(db);
  if (known !== null && (await provider.knows(known))) return;
  if (known !== null) {
    throw new StartError(
      `This database was sealed with the key-encryption key ${known}, which is not among those configured (${provider.kind}). Restore the right key, or name its provider too.`,
    );
  }
  await db
    .insertInto("installation")
    .values({ kek_id: provider.kekId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** When nothing is wrapped by another key any more. */
export async function rememberKek(db: Db, kekId: string): Promise<void> {
  await db.updateTable("installation").set({ kek_id: kekId }).execute();
}
