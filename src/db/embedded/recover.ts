import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { StartError } from "../../errors.ts";
import { isSocketFolder } from "./place.ts";

/** Milliseconds for each way to stop an orphan. */
const patience = 30_000;

/**
 * Frees the data folder for a start. A server whose Keyhold was killed is stopped, and keeps what was
 * committed. A lock file of a process that is no server is removed. Throws StartError when another Keyhold is
 * running.
 */
export async function recover(data: string): Promise<void> {
  const lock = await readLock(data);
  if (lock === null) return;
  const server = await findServer(lock.pid, data);
  if (server !== null) {
    refuseIfOwned(server, data);
    await stopOrphan(lock.pid, data);
  }
  await forgetServer(data, lock.pid);
  if (isSocketFolder(lock.socketFolder)) await rm(lock.socketFolder, { recursive: true, force: true });
}

/**
 * Removes the lock file of a server that has ended. PostgreSQL itself does so when no process has that number
 * (kill(2) with signal 0), and refuses to start when one has: another process, or the dead server until its
 * parent has waited for it. The shared memory of the data folder, which PostgreSQL checks as well, keeps a
 * new server from backends of the dead one.
 */
export async function forgetServer(data: string, pid: number): Promise<void> {
  if ((await readLock(data))?.pid === pid) await rm(lockPath(data), { force: true });
}

/**
 * The children of a dead process get another parent at once, so a server with its first parent still has its
 * Keyhold.
 */
function isOwned(server: { parent: number; command: string }): boolean {
  return Number(/cluster_name=keyhold_(\d+)/.exec(server.command)?.[1]) === server.parent;
}

/** Whether process `pid` is the server of this data folder and its Keyhold runs. */
export async function isServed(pid: number, data: string): Promise<boolean> {
  const server = await findServer(pid, data);
  return server !== null && isOwned(server);
}

function refuseIfOwned(server: { parent: number; command: string }, data: string): void {
  if (!isOwned(server)) return;
  throw new StartError(
    `Another Keyhold (process ${server.parent}) is running on ${data}. Stop it first, or set DATABASE_URL to a PostgreSQL that both can use.`,
  );
}

async function stopOrphan(pid: number, data: string): Promise<void> {
  for (const signal of ["SIGINT", "SIGQUIT"] as const) {
    signalIfAlive(pid, signal);
    const until = performance.now() + patience;
    while (performance.now() < until) {
      if ((await findServer(pid, data)) === null) return;
      await sleep(10);
    }
  }
  throw new StartError(
    `A PostgreSQL that an earlier Keyhold left behind (process ${pid}) does not stop. Stop it by hand.`,
  );
}

/** The server of this data folder, if process `pid` is that, because process numbers are used again. */
async function findServer(pid: number, data: string): Promise<{ parent: number; command: string } | null> {
  const running = await describe(pid);
  return running?.command.includes(` -D ${data} `) === true ? running : null;
}

/**
 * Null when there is no such process, or it has ended and its parent has not noticed: then it has no command.
 */
async function describe(pid: number): Promise<{ parent: number; command: string } | null> {
  const source = process.platform === "linux" ? describeFromProc : describeFromPs;
  const running = await source(pid).catch(() => null);
  return running?.command === "" ? null : running;
}

/**
 * Slim images have no `ps`. See proc_pid_stat(5): the second field, a name in brackets, can contain spaces.
 */
async function describeFromProc(pid: number): Promise<{ parent: number; command: string }> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8");
  return { parent: Number(parent), command: command.replaceAll("\0", " ") };
}

async function describeFromPs(pid: number): Promise<{ parent: number; command: string }> {
  const { stdout } = await promisify(execFile)("ps", ["-ww", "-o", "ppid=,args=", "-p", String(pid)]);
  const [, parent, command] = /^\s*(\d+)\s+(.*)/.exec(stdout) ?? [];
  if (parent === undefined || command === undefined) throw new Error("ps printed nothing");
  return { parent: Number(parent), command };
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile; the caller looks again.
  }
}

export function lockPath(data: string): string {
  return join(data, "postmaster.pid");
}

/**
 * Reads postmaster.pid, of a server that holds or held a data folder; null when it does not exist or is
 * incomplete. Its lines are numbered in PostgreSQL's src/include/utils/pidfile.h: 1 process, 5 socket folder,
 * 8 status.
 */
export async function readLock(
  data: string,
): Promise<Readonly<{ pid: number; socketFolder: string; ready: boolean }> | null> {
  const text = await readFile(lockPath(data), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number.parseInt(lines[0] ?? "", 10);
  if (!(pid > 0)) return null;
  return { pid, socketFolder: lines[4] ?? "", ready: lines[7]?.trim() === "ready" };
}
