import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openDb, openPool } from "../../src/db/connect.ts";
import { startEmbedded } from "../../src/db/embedded.ts";
import type { EmbeddedPostgres } from "../../src/db/embedded.ts";
import { withClient } from "../../src/db/embedded/connection.ts";
import { readPasswords } from "../../src/db/embedded/passwords.ts";
import { findPlace } from "../../src/db/embedded/place.ts";
import { migrate } from "../../src/db/migrate.ts";
import { removeState } from "./state.ts";

declare module "vitest" {
  interface ProvidedContext {
    cluster: ClusterFacts;
  }
}

/** What a test needs to reach the cluster of the run. */
export type ClusterFacts = Readonly<{
  socketFolder: string;
  port: number;
  /** By the name of the role. */
  passwords: Readonly<Record<string, string>>;
  template: string;
}>;

const folderPrefix = "keyhold-test-";
const template = "keyhold_template";

/**
 * Runs once for each project that needs it, before its test files: one PostgreSQL for the run, and in it a migrated database to copy.
 * The first project starts it, and the others share it.
 */
export async function setup({ vitest }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const run = vitest.getRootProject();
  if ("cluster" in run.getProvidedContext()) return undefined;
  await removeLeftovers();
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const server = await startEmbedded({ folder, durable: false });
  await makeTemplate(server);
  const { host = "", port = 0 } = server.connection("", "");
  const passwords = (await readPasswords(await findPlace(folder))) ?? {};
  run.provide("cluster", { socketFolder: host, port, passwords, template });
  return async () => {
    await server.stop();
    await removeState(folder);
  };
}

async function makeTemplate(server: EmbeddedPostgres): Promise<void> {
  await withClient(server.connection("keyhold_superuser", "postgres"), (client) =>
    client.query(`create database ${template} owner keyhold_owner`),
  );
  const db = openDb(openPool(server.connection("keyhold_owner", template), { applicationName: "test" }));
  await migrate(db);
  await db.destroy();
}

/** A run that was killed leaves its server running. Its folder names the process that made it. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const maker = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name)?.[1];
    if (maker !== undefined && !isAlive(Number(maker))) await removeState(join(tmpdir(), name));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
