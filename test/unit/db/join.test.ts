import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../../src/config/config.ts";
import { openDb, openPool } from "../../../src/db/connect.ts";
import { startEmbedded, joinEmbedded } from "../../../src/db/embedded.ts";
import { findPlace, passable } from "../../../src/db/embedded/place.ts";
import { readLock } from "../../../src/db/embedded/recover.ts";
import { startDatabase, type StartSettings } from "../../../src/db/start.ts";
import { makeState } from "../../../testkit/state.ts";

const settings = (folder: string): StartSettings => readConfig({ KEYHOLD_FOLDER: folder });
const beside = { beside: true };

/** How many tenants it sees as the service: none, unless the database has no tables. */
const countTenants = async (on: Awaited<ReturnType<typeof startDatabase>>): Promise<unknown> => {
  const { rows } = await sql`select count(*)::int as n from tenants`.execute(on.db);
  return rows;
};

const isRunning = async (folder: string): Promise<boolean> =>
  (await readLock((await findPlace(folder)).data)) !== null;

const asRoot = process.getuid?.() === 0;
const canDropRights = asRoot && (await passable(import.meta.dirname)) && (await passable(process.execPath));

describe("a command beside a service with a database of its own", () => {
  test("uses that, and leaves it running", async () => {
    await using state = await makeState();
    const service = await startDatabase(settings(state.folder));
    const command = await startDatabase(settings(state.folder), beside);
    expect(await countTenants(command)).toEqual([{ n: 0 }]);
    expect(command.embeddedIn).toBe(service.embeddedIn);
    await command.stop();
    expect(await countTenants(service)).toEqual([{ n: 0 }]);
    const another = startDatabase(settings(state.folder));
    await expect(another, "the control: one that would serve is refused").rejects.toThrow("Another Keyhold");
    await service.stop();
    expect(await isRunning(state.folder)).toBe(false);
  });

  test("starts one and stops it where a service has run and none runs", async () => {
    await using state = await makeState();
    await (await startDatabase(settings(state.folder))).stop();
    expect(await joinEmbedded(state.folder)).toBeNull();
    for (const _ of ["first", "second"]) {
      const command = await startDatabase(settings(state.folder), beside);
      expect(await countTenants(command)).toEqual([{ n: 0 }]);
      expect(await isRunning(state.folder)).toBe(true);
      await command.stop();
      expect(await isRunning(state.folder)).toBe(false);
    }
  });

  test("makes nothing where no service has run, and says where it looked", async () => {
    await using state = await makeState();
    const absent = join(state.folder, "absent");
    for (const folder of [state.folder, absent]) {
      const refused = startDatabase(settings(folder), beside);
      await expect(refused).rejects.toThrow(/There is no database of Keyhold in .*Set KEYHOLD_FOLDER/);
    }
    expect(await readdir(state.folder)).toEqual([]);
    const service = await startDatabase(settings(state.folder));
    expect(await readdir(state.folder), "the control: a service does").not.toEqual([]);
    await service.stop();
  });

  test("migrates nothing, and names what the database lacks", async () => {
    await using state = await makeState();
    const service = await startDatabase(settings(state.folder));
    await service.stop();
    const server = await startEmbedded({ folder: state.folder, durable: false });
    const owner = openDb(
      openPool(server.connection("keyhold_owner", "keyhold"), { applicationName: "test" }),
    );
    const newest = await sql<{ name: string }>`
      delete from migrations.digests where name = (select max(name) from migrations.digests) returning name`.execute(
      owner,
    );
    await owner.destroy();
    await server.stop();
    const refused = startDatabase(settings(state.folder), beside);
    await expect(refused).rejects.toThrow(`The database lacks ${newest.rows[0]?.name}`);
    expect(await isRunning(state.folder)).toBe(false);
  });

  test("does not join a server whose Keyhold was killed, but takes it over", async () => {
    await using state = await makeState();
    await (await startDatabase(settings(state.folder))).stop();
    const script = join(import.meta.dirname, "../../crash/embedded-child.ts");
    const killed = spawn(process.execPath, [script, state.folder], { stdio: ["ignore", "pipe", "inherit"] });
    await once(killed.stdout, "data");
    expect(await joinEmbedded(state.folder), "while it lives").not.toBeNull();
    killed.kill("SIGKILL");
    await once(killed, "exit");
    expect(await joinEmbedded(state.folder)).toBeNull();
    const command = await startDatabase(settings(state.folder), beside);
    expect(await countTenants(command)).toEqual([{ n: 0 }]);
    await command.stop();
    expect(await isRunning(state.folder)).toBe(false);
  });

  test.skipIf(!canDropRights)("does so for a user who is not root as for root", async () => {
    await using state = await makeState();
    const nobody = { uid: 65_534, gid: 65_534 };
    await chown(state.folder, nobody.uid, nobody.gid);
    const script = join(import.meta.dirname, "join-child.ts");
    const child = spawn(process.execPath, [script, state.folder], {
      stdio: ["ignore", "pipe", "inherit"],
      ...nobody,
    });
    const printed = await text(child.stdout);
    await rm(join(state.folder, "postgres"), { recursive: true });
    expect(JSON.parse(printed)).toEqual({
      joined: join(state.folder, "postgres"),
      answers: [{ one: 1 }],
      after: null,
    });
  });
});
