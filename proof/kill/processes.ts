import { readdir, readFile } from "node:fs/promises";

/** A process of this machine; it has no command when it has ended and its parent has not noticed. */
export type Process = Readonly<{ pid: number; parent: number; command: string }>;

/** All processes that have not ended. */
export async function listProcesses(): Promise<readonly Process[]> {
  const names = await readdir("/proc");
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(describe));
  return found.filter((process) => process !== null).filter(({ command }) => command !== "");
}

export async function isRunning(pid: number): Promise<boolean> {
  const found = await describe(String(pid));
  return found !== null && found.command !== "";
}

/** See proc_pid_stat(5): the second field, a name in brackets, may itself hold spaces. */
async function describe(pid: string): Promise<Process | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8");
    return { pid: Number(pid), parent: Number(parent), command: command.replaceAll("\0", " ") };
  } catch {
    // It ended meanwhile.
    return null;
  }
}
