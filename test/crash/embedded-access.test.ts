import { spawnSync } from "node:child_process";
import { chown, link, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { startEmbedded } from "../../src/db/embedded.ts";
import { demandNothing } from "../../src/db/embedded/passwords.ts";
import { readLock } from "../../src/db/embedded/recover.ts";
import { giveTree } from "../../src/db/embedded/user.ts";
import { startDatabase, type StartSettings } from "../../src/db/start.ts";
import { readTenant, serviceScope } from "../../src/db/tenant.ts";
import { makeOldCluster, siteOf, whileTrusting } from "../../testkit/old-cluster.ts";
import { query } from "../../testkit/query.ts";
import { makeState } from "../../testkit/state.ts";

const asRoot = process.getuid?.() === 0;
const settings = (folder: string): StartSettings => readConfig({ KEYHOLD_FOLDER: folder });
const roles = ["keyhold_superuser", "keyhold_owner", "keyhold_app"] as const;

const powers =
  "select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb as powerful from pg_roles where rolname = current_user";

test("The embedded server lets in a process that shows the password of a role, and no other process", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  for (const role of roles) {
    const right = server.connection(role, "keyhold");
    expect(await query(right, "select 1 as one"), role).toEqual([{ one: 1 }]);
    for (const password of [undefined, "", "wrong", `${String(right.password)}x`]) {
      await expect(query({ ...right, password }, "select 1"), `${role} ${password}`).rejects.toThrow(
        /password/,
      );
    }
  }
  expect(await query(server.connection("keyhold_owner", "keyhold"), powers)).toEqual([{ powerful: false }]);
  expect(await query(server.connection("keyhold_superuser", "keyhold"), powers), "the control").toEqual([
    { powerful: true },
  ]);
  await server.stop();
});

test("Passwords are in a file that its owner alone reads, are made once, and stand in no other file", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  const path = join(dirname(server.data), "postgres-passwords.json");
  const { mode, uid } = await stat(path);
  expect([mode & 0o777, uid]).toEqual([0o600, process.geteuid?.()]);
  const text = await readFile(path, "utf8");
  const passwords: readonly string[] = Object.values(JSON.parse(text));
  expect(new Set(passwords).size).toBe(3);
  await server.stop();
  const found = passwords.map((password) =>
    spawnSync("grep", ["-rlFe", password, dirname(server.data)], { encoding: "utf8" }).stdout.trim(),
  );
  expect(found, "the control: it is found where it is").toEqual([path, path, path]);
  const again = await startEmbedded({ folder: state.folder, durable: false });
  expect(await readFile(path, "utf8")).toBe(text);
  expect(again.changes).toEqual([]);
  await again.stop();
});

test("A file of passwords that others can read stops the start, with the command that mends it", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  await server.stop();
  const path = join(dirname(server.data), "postgres-passwords.json");
  const text = await readFile(path, "utf8");
  await rm(path);
  await writeFile(path, text, { mode: 0o644 });
  await expect(startEmbedded({ folder: state.folder })).rejects.toThrow(`chmod 600 ${path}`);
});

test("A database whose passwords are lost, or are those of another backup, is given new ones and keeps its rows", async () => {
  await using state = await makeState();
  const first = await startEmbedded({ folder: state.folder, durable: false });
  await query(
    first.connection("keyhold_owner", "keyhold"),
    "create table kept as select 'committed' as word",
  );
  await first.stop();
  await rm(join(dirname(first.data), "postgres-passwords.json"));
  const second = await startEmbedded({ folder: state.folder, durable: false });
  expect(second.changes).toEqual(["the database demands passwords from now on"]);
  expect(await query(second.connection("keyhold_owner", "keyhold"), "select word from kept")).toEqual([
    { word: "committed" },
  ]);
  await expect(
    query(
      { ...first.connection("keyhold_owner", "keyhold"), host: String(second.connection("", "").host) },
      "select 1",
    ),
  ).rejects.toThrow("password");
  await second.stop();
});

describe("a database of the first Keyhold, which demanded nothing", () => {
  const tenant = { id: "7d0f3f0a-7f9c-4c37-8f0e-5d1c6b1f2a44" };

  async function expectWhole(folder: string, changes: number): Promise<void> {
    const started = await startDatabase(settings(folder));
    expect(started.changes).toHaveLength(changes);
    const members = await readTenant(started.db, serviceScope(tenant.id), (tx) =>
      tx.selectFrom("members").select("subject").execute(),
    );
    expect(members).toEqual([{ subject: "owner" }]);
    const { rows } = await sql<{ owner: string }>`
      select distinct pg_get_userbyid(relowner)::text as owner from pg_class where oid >= 16384 and relkind in ('r', 'i', 'S')
      union select pg_get_userbyid(nspowner)::text from pg_namespace where oid >= 16384
      union select pg_get_userbyid(datdba)::text from pg_database where datname = 'keyhold'`.execute(
      started.db,
    );
    expect(rows).toEqual([{ owner: "keyhold_owner" }]);
    await started.stop();
    const site = await siteOf(folder);
    expect(await readFile(join(site.data, "pg_hba.conf"), "utf8")).not.toContain("trust");
  }

  test("is brought to passwords by the next start, keeps its rows, and changes no more after that", async () => {
    await using state = await makeState();
    await makeOldCluster(state.folder, tenant);
    await expectWhole(state.folder, asRoot ? 2 : 1);
    await expectWhole(state.folder, 0);
  });

  test.each([
    ["after the other superuser was made", ["create role keyhold_conversion superuser login"]],
    ["after the roles were changed, before the rules were", []],
  ])("is brought there too when the start before was killed %s", async (when, statements) => {
    await using state = await makeState();
    await makeOldCluster(state.folder, tenant);
    if (statements.length === 0) {
      await (await startDatabase(settings(state.folder))).stop();
      await demandNothing(await siteOf(state.folder));
    } else {
      await whileTrusting(await siteOf(state.folder), async (connect) => {
        for (const statement of statements) await query(connect("keyhold_owner", "postgres"), statement);
      });
    }
    await expectWhole(state.folder, asRoot && statements.length > 0 ? 2 : 1);
    const site = await siteOf(state.folder);
    await demandNothing(site);
    await whileTrusting(site, async (connect) => {
      const left = await query(
        connect("keyhold_superuser", "postgres"),
        "select rolname::text from pg_roles where rolsuper",
      );
      expect(left, when).toEqual([{ rolname: "keyhold_superuser" }]);
    });
  });
});

describe.skipIf(!asRoot)("a server that root starts", () => {
  const userOf = async (data: string): Promise<number> => {
    const pid = (await readLock(data))?.pid ?? 0;
    return (await stat(`/proc/${pid}`)).uid;
  };
  const hasName = (uid: number): boolean => spawnSync("getent", ["passwd", String(uid)]).status === 0;

  test("runs as a number that no account has, another for each folder, and the same at the next start", async () => {
    await using one = await makeState();
    await using other = await makeState();
    const first = await startEmbedded({ folder: one.folder, durable: false });
    const second = await startEmbedded({ folder: other.folder, durable: false });
    const [uid, otherUid] = [await userOf(first.data), await userOf(second.data)];
    expect(new Set([0, 65_534, uid, otherUid]).size).toBe(4);
    expect([hasName(uid), hasName(otherUid), hasName(1)], "the control is an account").toEqual([
      false,
      false,
      true,
    ]);
    const note = await readFile(join(one.folder, "where-the-database-is.txt"), "utf8");
    expect(note).toContain(first.data);
    expect(note).toContain(String(uid));
    await first.stop();
    const again = await startEmbedded({ folder: one.folder, durable: false });
    expect(await userOf(again.data)).toBe(uid);
    expect(again.data).toMatch(/^\/var\/lib\/keyhold\/[0-9a-f]{16}\/postgres$/);
    await Promise.all([again.stop(), second.stop()]);
  });

  test("runs as the account that is named, which then owns every file, and is given back without one", async () => {
    await using state = await makeState();
    const first = await startEmbedded({ folder: state.folder, durable: false });
    const uid = await userOf(first.data);
    await first.stop();
    const named = await startEmbedded({ folder: state.folder, user: "daemon", durable: false });
    expect(named.changes).toEqual(["the database was given to the user that it runs as from now on"]);
    expect(await userOf(named.data)).toBe(1);
    const foreign = spawnSync("find", [named.data, "!", "-user", "1"], { encoding: "utf8" });
    expect(foreign.stdout).toBe("");
    await named.stop();
    const back = await startEmbedded({ folder: state.folder, durable: false });
    expect(await userOf(back.data)).toBe(uid);
    await back.stop();
  });

  test.each(["root", "nobody", "no-such-account", "-u"])("is refused as %s", async (user) => {
    await using state = await makeState();
    await expect(startEmbedded({ folder: state.folder, user })).rejects.toThrow(
      "KEYHOLD_DATABASE_USER names",
    );
  });

  test("gives no file outside the database away, whatever its former user put there", async () => {
    const folder = await mkdtemp("/tmp/keyhold-tree-");
    const [inside, outside] = [join(folder, "inside"), join(folder, "outside")];
    await writeFile(outside, "");
    spawnSync("mkdir", [inside]);
    await symlink(outside, join(inside, "link"));
    await giveTree(inside, { uid: 60_000, gid: 60_000 });
    expect([(await stat(inside)).uid, (await stat(outside)).uid]).toEqual([60_000, 0]);
    await link(outside, join(inside, "second-name"));
    await expect(giveTree(inside, { uid: 60_000, gid: 60_000 })).rejects.toThrow("second name");
    expect((await stat(outside)).uid).toBe(0);
    await chown(inside, 0, 0);
    await rm(folder, { recursive: true });
  });
});
