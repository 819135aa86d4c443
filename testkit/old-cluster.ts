import { execFile } from "node:child_process";
import { chown, mkdir, rm, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { openDb, openPool } from "../src/db/connect.ts";
import { findBinaries } from "../src/db/embedded/binaries.ts";
import { findPlace, makeSocketFolder, type RunAs, type Site } from "../src/db/embedded/place.ts";
import { startPostmaster, stopPostmaster } from "../src/db/embedded/postmaster.ts";
import { type Connect, connectionsOf, withClient } from "../src/db/embedded/set-up.ts";
import { migrate } from "../src/db/migrate.ts";
import { ensureRoles } from "../src/db/roles.ts";

const asRoot = process.getuid?.() === 0;
/** As whom the first Keyhold ran the server of root. */
const nobody: RunAs | null = asRoot ? { uid: 65_534, gid: 65_534 } : null;

/**
 * A database as the first Keyhold left it: its owner is the superuser that the cluster was made with, no role needs a password, and
 * root's belongs to the account nobody. It holds one tenant with one member.
 */
export async function makeOldCluster(folder: string, tenant: Readonly<{ id: string }>): Promise<void> {
  const site: Site = { ...(await findPlace(folder)), runAs: nobody };
  const { initdb } = await findBinaries(nobody);
  await mkdir(site.data, { mode: 0o700 });
  if (nobody !== null) await chown(site.data, nobody.uid, nobody.gid);
  const options = ["--username=keyhold_owner", "--auth-local=trust", "--auth-host=reject", "--no-sync"];
  const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
  await promisify(execFile)(initdb, [`--pgdata=${site.data}`, ...options, ...locale], {
    cwd: site.data,
    env: {},
    ...nobody,
  });
  await whileTrusting(site, async (connect) => {
    await withClient(connect("keyhold_owner", "postgres"), (client) =>
      client.query("create database keyhold"),
    );
    const db = openDb(openPool(connect("keyhold_owner", "keyhold"), { applicationName: "old", max: 2 }));
    await ensureRoles(db);
    await migrate(db);
    await db.insertInto("tenants").values({ id: tenant.id, name: "kept" }).execute();
    const member = { id: crypto.randomUUID(), issuer: "issuer", subject: "owner", role: "owner" } as const;
    await db
      .insertInto("members")
      .values({ ...member, tenant_id: tenant.id })
      .execute();
    await db.destroy();
  });
}

/** Runs the server of a data folder whose rules let every process in. */
export async function whileTrusting(site: Site, work: (connect: Connect) => Promise<void>): Promise<void> {
  const socketFolder = await makeSocketFolder(site.runAs);
  const server = await startPostmaster(await findBinaries(site.runAs), site, socketFolder, false);
  try {
    await work(connectionsOf(socketFolder, null));
  } finally {
    await stopPostmaster(server);
    await rm(socketFolder, { recursive: true });
  }
}

/** Whose a database is now. */
export async function siteOf(folder: string): Promise<Site> {
  const place = await findPlace(folder);
  const { uid, gid } = await stat(place.data);
  return { ...place, runAs: asRoot ? { uid, gid } : null };
}
