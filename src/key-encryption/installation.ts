import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import { StartError } from "../errors.ts";
import type { KeyProvider } from "./key-provider.ts";

/** The key-encryption key that this database was last sealed with; `null` for a database without secrets. */
export async function findKekId(db: Db): Promise<string | null> {
  const row = await db.selectFrom("installation").select("kek_id").executeTakeFirst();
  return row?.kek_id ?? null;
}

/**
 * Checks that the provider has the keys that the database was sealed with. During a change of keys there may
 * be several, and each of them is needed. Throws `StartError` when one is missing, because its secrets would
 * be unreadable.
 */
export async function assertBelongs(db: Db, provider: KeyProvider): Promise<void> {
  const known = await findKekId(db);
  for (const kekId of new Set([...(known === null ? [] : [known]), ...(await wrappingKeks(db))])) {
    if (await provider.knows(kekId)) continue;
    throw new StartError(
      `This database was sealed with the key-encryption key ${kekId}, which is not among those configured (${provider.kind}). Restore the right key, or name its provider too.`,
    );
  }
}

/** Stores the id of this key in a database that has none. */
export async function learnKek(db: Db, provider: Pick<KeyProvider, "kekId">): Promise<void> {
  if ((await findKekId(db)) !== null) return;
  await db
    .insertInto("installation")
    .values({ kek_id: provider.kekId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

async function wrappingKeks(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ kek_id: string }>`select distinct kek_id from clock.data_key_counts()`.execute(
    db,
  );
  return rows.map(({ kek_id }) => kek_id);
}

/** For the end of a change of keys, when no data key is wrapped by another key. */
export async function rememberKek(db: Db, kekId: string): Promise<void> {
  await sql`select clock.remember_kek(${kekId})`.execute(db);
}
