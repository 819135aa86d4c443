import { readdir, readFile } from "node:fs/promises";

/** Bytes of a process that are in memory, what it shares with others included; `null` where that cannot be read. */
export async function residentBytes(pid: number): Promise<number | null> {
  return readKibibytes(`/proc/${pid}/status`, "VmRSS");
}

/**
 * Bytes of all processes that a process started, and that these started: what several of them share is counted once
 * (proportional set size). `null` where that cannot be read.
 */
export async function descendantBytes(pid: number): Promise<number | null> {
  const parents = await readParents();
  let sum: number | null = 0;
  for (const child of descendantsOf(pid, parents)) {
    const bytes = await readKibibytes(`/proc/${child}/smaps_rollup`, "Pss");
    sum = sum === null || bytes === null ? null : sum + bytes;
  }
  return sum;
}

export function descendantsOf(pid: number, parents: ReadonlyMap<number, number>): readonly number[] {
  const children = [...parents].filter(([, parent]) => parent === pid).map(([child]) => child);
  return children.flatMap((child) => [child, ...descendantsOf(child, parents)]);
}

/** Process → parent, as Linux tells. Empty on other systems. */
export async function readParents(): Promise<ReadonlyMap<number, number>> {
  const names = await readdir("/proc").catch(() => []);
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number);
  const pairs = await Promise.all(
    pids.map(
      async (pid) => [pid, parentOf(await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""))] as const,
    ),
  );
  return new Map(pairs);
}

/** The fourth field; the second is a name in brackets, which may hold anything. */
function parentOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

async function readKibibytes(path: string, name: string): Promise<number | null> {
  const text = await readFile(path, "utf8").catch(() => "");
  const found = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
  return found === undefined ? null : Number(found) * 1024;
}
