import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chown, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbedded } from "../../src/db/embedded.ts";
import { findPlace, passable } from "../../src/db/embedded/place.ts";
import { lockPath, readLock } from "../../src/db/embedded/recover.ts";
import { query as queryAs } from "../../testkit/query.ts";
import { makeState } from "../../testkit/state.ts";

const script = join(import.meta.dirname, "embedded-child.ts");
const asRoot = process.getuid?.() === 0;
const nobody = { uid: 65_534, gid: 65_534 };

test("A restart finds what was committed before it, and only the first start makes a cluster", async () => {
  await using state = await makeState();
  const first = await startEmbedded({ folder: state.folder });
  await query(first, "create table kept (word text)");
  await query(first, "insert into kept values ('committed')");
  await first.stop();
  const second = await startEmbedded({ folder: state.folder });
  expect(await query(second, "select word from kept")).toEqual([{ word: "committed" }]);
  expect([first.created, second.created]).toEqual([true, false]);
  expect(await query(second, "show fsync")).toEqual([{ fsync: "on" }]);
  await second.stop();
});

test("Stopping twice is stopping once, and leaves neither a server nor a socket", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  const { host = "" } = server.connection("keyhold_owner", "keyhold");
  expect(await readdir(host)).toContain(".s.PGSQL.5432");
  await server.stop();
  await server.stop();
  await expect(readdir(host)).rejects.toThrow("ENOENT");
  expect(await readLock(server.data)).toBeNull();
});

test("The server is reached over its socket alone, and only by those who may enter the socket's folder", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  const { host = "" } = server.connection("keyhold_owner", "keyhold");
  expect(await query(server, "show listen_addresses")).toEqual([{ listen_addresses: "" }]);
  expect((await stat(host)).mode & 0o777).toBe(0o700);
  expect((await stat(server.data)).mode & 0o777).toBe(0o700);
  expect((await stat(join(dirname(server.data), "postgres.log"))).mode & 0o777).toBe(0o600);
  await server.stop();
});

test("After its Keyhold was killed the server is stopped by the next start, which loses nothing committed", async () => {
  await using state = await makeState();
  const child = spawn(process.execPath, [script, state.folder], { stdio: ["ignore", "pipe", "inherit"] });
  const { data } = await started(child);
  const orphan = (await readLock(data))?.pid ?? 0;
  await kill(child);
  expect(await isAlive(orphan), "the control: the server outlives its Keyhold").toBe(true);

  const server = await startEmbedded({ folder: state.folder });
  expect(await query(server, "select word from kept")).toEqual([{ word: "committed" }]);
  expect(await isAlive(orphan)).toBe(false);
  await server.stop();
});

test("A second Keyhold on the same folder is refused by name, and the first goes on", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  await expect(startEmbedded({ folder: state.folder, durable: false })).rejects.toThrow(
    `Another Keyhold (process ${process.pid}) is running on`,
  );
  expect(await query(server, "select 1 as one")).toEqual([{ one: 1 }]);
  await server.stop();
});

test.each(["a dead process", "a living process of the same user", "a dead process that its parent ignores"])(
  "A lock file that names %s does not keep the server from starting",
  async (whose) => {
    await using state = await makeState();
    const first = await startEmbedded({ folder: state.folder, durable: false });
    await first.stop();
    const { uid, gid } = await stat(first.data);
    // The shell becomes a program that never waits for the child of the shell.
    const other = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 600"], {
      stdio: ["ignore", "pipe", "ignore"],
      uid,
      gid,
    });
    const zombie = Number(await firstLine(other));
    if (whose === "a dead process") await kill(other);
    const named = whose.endsWith("ignores") ? zombie : (other.pid ?? 0);
    await plantLock(first.data, named);
    await ended(zombie);

    const second = await startEmbedded({ folder: state.folder, durable: false });
    expect((await readLock(second.data))?.pid).not.toBe(named);
    if (named === zombie)
      expect(() => process.kill(zombie, 0), "the control: it still has its number").not.toThrow();
    await second.stop();
    await kill(other);
  },
);

test("A start that was killed while it made the cluster leaves no half cluster behind", async () => {
  await using state = await makeState();
  const first = spawn(process.execPath, [script, state.folder], { stdio: "ignore" });
  const { home } = await findPlace(state.folder);
  while ((await draftsIn(home)).length === 0) await sleep(5);
  await kill(first);
  expect(await draftsIn(home), "the control: it was making one").toHaveLength(1);

  const server = await startEmbedded({ folder: state.folder });
  expect(await query(server, "select current_database() as name")).toEqual([{ name: "keyhold" }]);
  expect(await draftsIn(home)).toEqual([]);
  await server.stop();
});

test("The server's log holds no value of a failed statement", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  const leak = "select 'planted-value'::text::uuid";
  await expect(query(server, leak)).rejects.toThrow("planted-value");
  const log = join(dirname(server.data), "postgres.log");
  expect(await readFile(log, "utf8")).not.toContain("planted-value");
  // The control: with the settings of a server that nobody changed, the same statement is in the log.
  const loud = query(server, `set log_min_messages = warning; ${leak}`, "keyhold_superuser");
  await expect(loud).rejects.toThrow("planted-value");
  expect(await readFile(log, "utf8")).toContain("planted-value");
  await server.stop();
});

const canDropRights = asRoot && (await passable(import.meta.dirname)) && (await passable(process.execPath));

test.skipIf(!canDropRights)("A user who is not root keeps the data in the folder itself", async () => {
  await using state = await makeState();
  await chown(state.folder, nobody.uid, nobody.gid);
  const child = spawn(process.execPath, [script, state.folder], {
    stdio: ["ignore", "pipe", "inherit"],
    ...nobody,
  });
  const { data } = await started(child);
  const { pid: orphan = 0, socketFolder = "" } = (await readLock(data)) ?? {};
  expect(data).toBe(join(state.folder, "postgres"));
  await kill(child);
  await expect(startEmbedded({ folder: state.folder }), "root, after another user").rejects.toThrow(
    "A user other than root has started Keyhold",
  );
  process.kill(orphan, "SIGINT");
  while (await isAlive(orphan)) await sleep(10);
  await rm(data, { recursive: true });
  await rm(socketFolder, { recursive: true });
});

function query(server: EmbeddedPostgres, text: string, role = "keyhold_owner"): Promise<unknown[]> {
  return queryAs(server.connection(role, "keyhold"), text);
}

async function started(child: ChildProcess): Promise<{ data: string }> {
  return JSON.parse(await firstLine(child));
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  return text;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

async function ended(pid: number): Promise<void> {
  while (await isAlive(pid)) await sleep(5);
}

/** A process that ended but was not waited for has no command line any more. */
async function isAlive(pid: number): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command !== "";
}

async function draftsIn(home: string): Promise<string[]> {
  return (await readdir(home)).filter((name) => name.startsWith("postgres.new-"));
}

async function plantLock(data: string, pid: number): Promise<void> {
  const lines = [pid, data, 1_700_000_000, 5432, "/tmp/kh-gone", "", "  5432001         0", "ready   "];
  await writeFile(lockPath(data), `${lines.join("\n")}\n`, { mode: 0o600 });
  const { uid, gid } = await stat(data);
  await chown(lockPath(data), uid, gid);
}
