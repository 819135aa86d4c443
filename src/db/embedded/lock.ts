import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** What postmaster.pid tells of the server that holds, or once held, a data folder. */
export type Lock = Readonly<{ pid: number; socketFolder: string; ready: boolean }>;

export function lockPath(data: string): string {
  return join(data, "postmaster.pid");
}

/**
 * Reads postmaster.pid; null when there is none, or only the beginning of one. Its lines are numbered in PostgreSQL's
 * src/include/utils/pidfile.h: 1 process, 5 socket folder, 8 status.
 */
export async function readLock(data: string): Promise<Lock | null> {
  const text = await readFile(lockPath(data), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number.parseInt(lines[0] ?? "", 10);
  if (!(pid > 0)) return null;
  return { pid, socketFolder: lines[4] ?? "", ready: lines[7]?.trim() === "ready" };
}
