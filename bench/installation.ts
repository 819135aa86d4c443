import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ClientConfig } from "pg";
import { type Db, openDb, openPool } from "../src/db/connect.ts";
import { embeddedDatabase, startEmbedded } from "../src/db/embedded.ts";
import { ownerRole } from "../src/db/embedded/initdb.ts";
import { readLock } from "../src/db/embedded/lock.ts";
import { migrate } from "../src/db/migrate.ts";
import { appRole, ensureRoles } from "../src/db/roles.ts";
import { DataKeys } from "../src/keys/data-keys.ts";
import { openKeyFile } from "../src/keys/open-key-file.ts";

/** A database of the bench's own with a key file beside it, as a service finds them. Disposing it leaves nothing behind. */
export type Installation = AsyncDisposable &
  Readonly<{
    folder: string;
    keyFile: string;
    db: Db;
    /** As the owner of the tables, whom no policy binds. */
    ownerDb: Db;
    dataKeys: DataKeys;
    /** How the service connects. */
    app: ClientConfig;
    databaseUrl: string;
    /** The process that started all others of this PostgreSQL. */
    postmaster: number;
  }>;

/** Starts the embedded PostgreSQL as a service would: every commit is on disk before it is answered. */
export async function install(): Promise<Installation> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-bench-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await startEmbedded({ folder });
  undo.defer(() => rm(dirname(server.data), { recursive: true, force: true }));
  undo.defer(() => server.stop());
  const ownerDb = openDb(
    openPool(server.connection(ownerRole, embeddedDatabase), { applicationName: "bench owner" }),
  );
  undo.defer(() => ownerDb.destroy());
  await ensureRoles(ownerDb);
  await migrate(ownerDb);
  const app = server.connection(appRole, embeddedDatabase);
  const db = openDb(openPool(app, { applicationName: "bench" }));
  undo.defer(() => db.destroy());
  const keyFile = join(folder, "key-encryption.key");
  const { provider } = await openKeyFile({ path: keyFile, sealedWith: null, embeddedIn: server.data });
  const lock = await readLock(server.data);
  const running = undo.move();
  return {
    folder,
    keyFile,
    db,
    ownerDb,
    dataKeys: new DataKeys(db, provider),
    app,
    databaseUrl: `postgres://${appRole}@socket/${embeddedDatabase}?host=${encodeURIComponent(String(app.host))}`,
    postmaster: lock?.pid ?? 0,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
