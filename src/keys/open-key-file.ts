import { access } from "node:fs/promises";
import type { Db } from "../db/connect.ts";
import { StartError } from "../errors.ts";
import { createKeyFile, type FileKeyProvider, loadKeyFile } from "./file.ts";

/**
 * Opens the key file that belongs to this database. One is made only together with a new embedded database: beside any other, a
 * missing or different file would leave every secret unreadable, so the start stops instead. Throws `StartError`.
 */
export async function openKeyFile(
  db: Db,
  options: Readonly<{ path: string; embeddedIn: string | null }>,
): Promise<Readonly<{ provider: FileKeyProvider; created: boolean }>> {
  const { path, embeddedIn } = options;
  const known = await db.selectFrom("installation").select("kek_id").executeTakeFirst();
  const missing = await access(path).then(
    () => false,
    () => true,
  );
  if (missing && (known !== undefined || embeddedIn === null)) throw refusal(path, known?.kek_id, embeddedIn);
  if (missing) await createKeyFile(path);
  const provider = await loadKeyFile(path);
  if (known === undefined) await remember(db, provider);
  else if (!provider.kekIds.includes(known.kek_id)) throw otherKey(path, known.kek_id);
  return { provider, created: missing };
}

async function remember(db: Db, provider: FileKeyProvider): Promise<void> {
  await db
    .insertInto("installation")
    .values({ kek_id: provider.kekId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

function refusal(path: string, kekId: string | undefined, embeddedIn: string | null): StartError {
  if (kekId === undefined) {
    return new StartError(
      `There is no key file at ${path}. Make one with \`keyhold keys create\` and keep a copy of it elsewhere.`,
    );
  }
  const anew = embeddedIn === null ? "" : `, or remove ${embeddedIn} to begin anew without what it holds`;
  return new StartError(
    `The key file ${path} is missing, and the database was sealed with its key ${kekId}. Restore the file from its backup${anew}.`,
  );
}

function otherKey(path: string, kekId: string): StartError {
  return new StartError(
    `The key file ${path} holds another key than the one that this database was sealed with (${kekId}). Restore the right file.`,
  );
}
