import { createHash } from "node:crypto";
import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { openDb, openPool } from "../src/db/connect.ts";
import { startEmbedded } from "../src/db/embedded.ts";
import { readPasswords, ownerRole, superuserRole } from "../src/db/embedded/passwords.ts";
import { findPlace } from "../src/db/embedded/place.ts";
import { withClient, type Connect, setUp } from "../src/db/embedded/set-up.ts";
import { migrate } from "../src/db/migrate.ts";
import { appRole } from "../src/db/roles.ts";
import { isAlive } from "./cluster/leftovers.ts";
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

/**
 * Runs once for each project that needs it, before its test files: one PostgreSQL for the run, and in it a migrated database to copy.
 * The first project starts it, and the others share it.
 */
export async function setup({ vitest }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const run = vitest.getRootProject();
  if ("cluster" in run.getProvidedContext()) return undefined;
  const url = process.env["KEYHOLD_TEST_DATABASE_URL"] ?? "";
  const { facts, stop } = await (url === "" ? startServer() : useServer(url));
  run.provide("cluster", facts);
  return stop;
}

type Cluster = Readonly<{ facts: ClusterFacts; stop(): Promise<void> }>;

async function startServer(): Promise<Cluster> {
  await removeLeftovers();
  const template = "keyhold_template";
  const folder = await mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const server = await startEmbedded({ folder, durable: false });
  await withClient(server.connection(superuserRole, "postgres"), (client) =>
    client.query(`create database ${template} owner ${ownerRole}`),
  );
  await migrateTemplate(server.connection, template);
  const { host = "", port = 0 } = server.connection("", "");
  const passwords = (await readPasswords(await findPlace(folder))) ?? {};
  return {
    facts: { socketFolder: host, port, passwords, template },
    async stop() {
      await server.stop();
      await removeState(folder);
    },
  };
}

/**
 * A PostgreSQL of one's own, by the URL of a superuser. The roles of Keyhold are made there, with passwords that follow from the URL, so
 * that runs at the same time agree on them; the template is dropped after the run.
 */
export async function useServer(url: string): Promise<Cluster> {
  const { hostname, port: written, username, password, pathname, searchParams } = new URL(url);
  const [host, port] = [searchParams.get("host") ?? hostname, Number(written || 5432)];
  const template = `keyhold_template_${process.pid}`;
  const passwordOf = (role: string) => createHash("sha256").update(`${role} ${url}`).digest("base64url");
  const roles = [superuserRole, ownerRole, appRole];
  const passwords = Object.fromEntries(roles.map((role) => [role, passwordOf(role)]));
  const connection: Connect = (user, database) => {
    return { host, port, user, password: passwords[user] ?? "", database, ssl: false };
  };
  const asGiven = {
    ...connection(decodeURIComponent(username), pathname.slice(1) || "postgres"),
    password: decodeURIComponent(password),
  };
  await withClient(asGiven, async (client) => {
    const found = await client.query("select from pg_roles where rolname = $1", [superuserRole]);
    const verb = found.rowCount === 0 ? "create" : "alter";
    await client.query(
      `${verb} role ${superuserRole} superuser login password '${passwordOf(superuserRole)}'`,
    );
  });
  await setUp(connection, template, passwords);
  await migrateTemplate(connection, template);
  return {
    facts: { socketFolder: host, port, passwords, template },
    async stop() {
      await withClient(connection(superuserRole, "postgres"), (client) =>
        client.query(`drop database ${template} with (force)`),
      );
    },
  };
}

async function migrateTemplate(connection: Connect, template: string): Promise<void> {
  const db = openDb(openPool(connection(ownerRole, template), { applicationName: "test" }));
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
