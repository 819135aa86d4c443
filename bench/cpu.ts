import { readFile } from "node:fs/promises";
import { descendantsOf, readParents } from "./memory.ts";

/** Linux tells times of processes in hundredths of a second (USER_HZ), whatever its own clock. */
const tickUs = 10_000;

/** Microseconds of processor time that a process has taken so far, its threads included; `null` where that cannot be read. */
export async function cpuUs(pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // proc_pid_stat(5): after the name in brackets, utime and stime are the 12th and the 13th.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? null : ticks * tickUs;
}

/** The same for all processes below one, that are there now. */
export async function descendantCpuUs(pid: number): Promise<number | null> {
  return addTimes(await Promise.all(descendantsOf(pid, await readParents()).map(cpuUs)));
}

/** `null` where one of them is. */
export function addTimes(times: readonly (number | null)[]): number | null {
  return times.reduce((sum, time) => (sum === null || time === null ? null : sum + time), 0);
}
