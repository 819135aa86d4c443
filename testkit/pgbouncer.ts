import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, cp, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inject } from "vitest";
import { passable } from "../src/db/embedded/place.ts";
import { hasEnded } from "../src/db/embedded/postmaster.ts";
import { freePort } from "./free-port.ts";

/** `null` where the tests that need it are skipped. */
export function findPgBouncer(): string | null {
  return inject("tools").pgbouncer;
}

export type TestPooler = Readonly<{
  /** Of a database of the run's cluster, through the pooler. */
  url(role: string, database: string, parameters?: string): string;
  stop(): Promise<void>;
}>;

export type PoolerOptions = Readonly<{
  mode: "transaction" | "session";
  /** Connections to the server for each role and database: few, so that sessions change hands. */
  size?: number;
  /** Start-up parameters that it drops instead of refusing them. */
  ignored?: readonly string[];
}>;

/** PgBouncer on loopback, in front of the cluster of the run. It refuses to run as root, and gets to the cluster as its user does. */
export async function startPgBouncer(program: string, options: PoolerOptions): Promise<TestPooler> {
  const { socketFolder, passwords } = inject("cluster");
  const { uid, gid } = await stat(socketFolder);
  const folder = await mkdtemp(join(tmpdir(), "keyhold-pooler-"));
  const port = await freePort();
  await writeFile(join(folder, "pgbouncer.ini"), await configuration(folder, port, options));
  const users = Object.entries(passwords).map(([role, password]) => `"${role}" "${password}"`);
  await writeFile(join(folder, "users.txt"), users.join("\n"));
  for (const path of [folder, join(folder, "pgbouncer.ini"), join(folder, "users.txt")])
    await chown(path, uid, gid);
  const child = spawn(await runnable(program, folder), [join(folder, "pgbouncer.ini")], {
    stdio: "ignore",
    uid,
    gid,
  });
  const log = join(folder, "pgbouncer.log");
  while (!(await accepts(port))) {
    if (hasEnded(child))
      throw new Error(`PgBouncer ended: ${await readFile(log, "utf8").catch(() => "no log")}`);
    await sleep(20);
  }
  return {
    url: (role, database, parameters = "") =>
      `postgres://${role}:${passwords[role] ?? ""}@127.0.0.1:${port}/${database}${parameters}`,
    async stop() {
      const ended = once(child, "exit");
      if (!hasEnded(child) && child.kill("SIGTERM")) await ended;
      await rm(folder, { recursive: true });
    },
  };
}

async function configuration(
  folder: string,
  port: number,
  { mode, size = 6, ignored = [] }: PoolerOptions,
): Promise<string> {
  const { socketFolder, port: serverPort } = inject("cluster");
  return [
    "[databases]",
    `* = host=${socketFolder} port=${serverPort}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = scram-sha-256",
    `auth_file = ${join(folder, "users.txt")}`,
    `logfile = ${join(folder, "pgbouncer.log")}`,
    `pidfile = ${join(folder, "pgbouncer.pid")}`,
    `pool_mode = ${mode}`,
    `default_pool_size = ${size}`,
    "max_client_conn = 500",
    ...(ignored.length === 0 ? [] : [`ignore_startup_parameters = ${ignored.join(",")}`]),
  ].join("\n");
}

/** The program, or a copy that its user can reach. */
async function runnable(program: string, folder: string): Promise<string> {
  if (!program.includes("/") || (await passable(program))) return program;
  await cp(dirname(program), join(folder, "program"), { recursive: true, verbatimSymlinks: true });
  return join(folder, "program", basename(program));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
