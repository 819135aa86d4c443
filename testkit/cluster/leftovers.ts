import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../../src/errors.ts";
import { until } from "../until.ts";

/**
 * Ends the server that runs on this folder, left behind by a start that was killed. Throws `StartError` where its starter is at work:
 * then the folder is in use.
 */
export async function endLeftover(folder: string): Promise<void> {
  const text = await readFile(join(folder, "pid"), "utf8").catch(() => "");
  const [, server, starter] = /^(\d+) (\d+)\n$/.exec(text) ?? [];
  if (!(await isServerOf(folder, Number(server)))) return;
  if (Number(starter) !== process.pid && isAlive(Number(starter))) {
    throw new StartError(
      `Another start (process ${starter}) has its cluster in this folder. End it first, or name another folder with --folder.`,
    );
  }
  process.kill(Number(server), "SIGCONT");
  process.kill(Number(server), "SIGTERM");
  await until(`process ${server} to end`, async () =>
    (await isServerOf(folder, Number(server))) ? null : true,
  );
}

/** Process ids are used again, so its command line has to name the folder. */
async function isServerOf(folder: string, pid: number): Promise<boolean> {
  if (!(pid > 0)) return false;
  const command = await commandOf(pid).catch(() => "");
  return command.includes(join(folder, "config"));
}

/** Slim images have no `ps`. */
async function commandOf(pid: number): Promise<string> {
  if (process.platform === "linux") return readFile(`/proc/${pid}/cmdline`, "utf8");
  const { stdout } = await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)]);
  return stdout;
}

/** Whether the process runs, also as another user. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
