import { randomBytes } from "node:crypto";
import type { ClientConfig, Pool } from "pg";
import { inject } from "vitest";
import { type Db, openDb, openPool } from "../src/db/connect.ts";

export type TestDatabase = Readonly<{
  name: string;
  /** Runs as the superuser: sees every row. For arranging and for looking behind the curtain. */
  owner: Db;
  ownerPool: Pool;
  /** Runs as `keyhold_app`, as the service does. */
  app: Db;
  appPool: Pool;
  /** How to connect to this database as any role, for pools and processes of the test's own. */
  connection(user: string): ClientConfig;
  /** Ends the connections and removes the database. */
  drop(): Promise<void>;
}>;

const superuser = "keyhold_superuser";

/** For a role that a test makes and connects as. */
export const testRolePassword = "of-a-role-of-a-test";

/**
 * A database of the test file's own: a copy of the migrated template, or empty with `{ empty: true }`.
 * Call it in beforeAll and `drop()` in afterAll.
 */
export async function createDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const { template } = inject("cluster");
  const name = `test_${randomBytes(8).toString("hex")}`;
  const copied = options.empty === true ? "template0" : template;
  await runAsAdmin(`create database ${name} owner keyhold_owner template ${copied}`);
  const connection = (user: string): ClientConfig => connectTo(user, name);
  const ownerPool = openPool(connection(superuser), { applicationName: "test" });
  const appPool = openPool(connection("keyhold_app"), { applicationName: "test" });
  const owner = openDb(ownerPool);
  const app = openDb(appPool);
  return {
    name,
    owner,
    ownerPool,
    app,
    appPool,
    connection,
    async drop() {
      await Promise.all([owner.destroy(), app.destroy()]);
      await runAsAdmin(`drop database ${name} with (force)`);
    },
  };
}

/** How to connect to any database of the run's cluster. */
function connectTo(user: string, database: string): ClientConfig {
  const { socketFolder, port, passwords } = inject("cluster");
  return {
    host: socketFolder,
    port,
    user,
    password: passwords[user] ?? testRolePassword,
    database,
    ssl: false,
  };
}

async function runAsAdmin(statement: string): Promise<void> {
  const pool = openPool(connectTo(superuser, "postgres"), { applicationName: "test", max: 1 });
  try {
    await pool.query(statement);
  } finally {
    await pool.end();
  }
}
