import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClientConfig } from "pg";
import { Grants, signWith } from "../src/audit/grants.ts";
import { type Db, openDb, openPool } from "../src/db/connect.ts";
import { embeddedDatabase, startEmbedded } from "../src/db/embedded.ts";
import { ownerRole, superuserRole } from "../src/db/embedded/passwords.ts";
import { readLock } from "../src/db/embedded/recover.ts";
import { migrate } from "../src/db/migrate.ts";
import { appRole } from "../src/db/roles.ts";
import { DataKeys } from "../src/key-encryption/data-keys.ts";
import { openKeyFile } from "../src/key-encryption/open.ts";
import { urlOf } from "./connection.ts";
import { removeState } from "./state.ts";

/** A database of the bench's own with a key file beside it, as a service finds them. Disposing it leaves nothing behind. */
export type Installation = AsyncDisposable &
  Readonly<{
    folder: string;
    keyFile: string;
    db: Db;
    /** As the superuser, whom no policy binds. */
    ownerDb: Db;
    dataKeys: DataKeys;
    /** How the service connects. */
    app: ClientConfig;
    databaseUrl: string;
    /** How a service that migrates connects as the owner. */
    ownerUrl: string;
    /** The process that started all others of this PostgreSQL. */
    postmaster: number;
  }>;

/**
 * Starts the embedded PostgreSQL as a service would: every commit is on disk before it is answered. With `migrated: false` the
 * tables are left to the service.
 */
export async function install({ migrated = true } = {}): Promise<Installation> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-bench-"));
  undo.defer(() => removeState(folder));
  const server = await startEmbedded({ folder });
  undo.defer(() => server.stop());
  const ownerDb = openDb(
    openPool(server.connection(superuserRole, embeddedDatabase), { applicationName: "bench owner" }),
  );
  undo.defer(() => ownerDb.destroy());
  const owner = server.connection(ownerRole, embeddedDatabase);
  if (migrated) await migrateAs(owner);
  const app = server.connection(appRole, embeddedDatabase);
  const db = openDb(openPool(app, { applicationName: "bench" }));
  undo.defer(() => db.destroy());
  const keyFile = join(folder, "key-encryption.key");
  const { provider } = await openKeyFile({
    path: keyFile,
    sealedWith: null,
    embeddedIn: server.data,
    creates: true,
  });
  const lock = await readLock(server.data);
  const dataKeys = new DataKeys(db, provider);
  signWith(db, new Grants(db, dataKeys));
  const running = undo.move();
  return {
    folder,
    keyFile,
    db,
    ownerDb,
    dataKeys,
    app,
    databaseUrl: urlOf(app),
    ownerUrl: urlOf(owner),
    postmaster: lock?.pid ?? 0,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function migrateAs(owner: ClientConfig): Promise<void> {
  const db = openDb(openPool(owner, { applicationName: "bench migrate", max: 2 }));
  try {
    await migrate(db);
  } finally {
    await db.destroy();
  }
}

/** How a service finds an installation. */
export function settingsFor({ folder, keyFile, databaseUrl }: Installation): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    KEYHOLD_KEY_FILE: keyFile,
    KEYHOLD_FOLDER: folder,
    KEYHOLD_LOCAL_ISSUER: "on",
  };
}
