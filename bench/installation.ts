import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ClientConfig } from "pg";
import { type Db, openDb, openPool } from "../src/db/connect.ts";
import { embeddedDatabase, startEmbedded } from "../src/db/embedded.ts";
import { ownerRole } from "../src/db/embedded/initdb.ts";
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
    dataKeys: DataKeys;
    /** How the service connects. */
    app: ClientConfig;
    databaseUrl: string;
  }>;

/** Starts the embedded PostgreSQL as a service would: every commit is on disk before it is answered. */
export async function install(): Promise<Installation> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-bench-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const server = await startEmbedded({ folder });
  undo.defer(() => rm(dirname(server.data), { recursive: true, force: true }));
  undo.defer(() => server.stop());
  await prepare(server.connection(ownerRole, embeddedDatabase));
  const app = server.connection(appRole, embeddedDatabase);
  const db = openDb(openPool(app, { applicationName: "bench" }));
  undo.defer(() => db.destroy());
  const keyFile = join(folder, "key-encryption.key");
  const { provider } = await openKeyFile({ path: keyFile, sealedWith: null, embeddedIn: server.data });
  const running = undo.move();
  return {
    folder,
    keyFile,
    db,
    dataKeys: new DataKeys(db, provider),
    app,
    databaseUrl: `postgres://${appRole}@socket/${embeddedDatabase}?host=${encodeURIComponent(String(app.host))}`,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function prepare(owner: ClientConfig): Promise<void> {
  const db = openDb(openPool(owner, { applicationName: "bench", max: 2 }));
  try {
    await ensureRoles(db);
    await migrate(db);
  } finally {
    await db.destroy();
  }
}
