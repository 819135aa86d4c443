import { readFileSync } from "node:fs";
import { beatEveryMs } from "./protocol.ts";

/** A process that has worked for so long without a sign of life is stuck in one piece of code. */
const stuckMs = 1000;
/**
 * One that has not worked may only have been kept from it: by a machine that is overloaded, or was suspended.
 */
const deadMs = 5000;
/** While it loads its program, and while it parses a market list, which takes seconds on a slow machine. */
const startingMs = 30_000;
const loadingMs = 15_000;
/** A process that has been silent for so long is given no new call. */
const quietMs = 2 * beatEveryMs;

/** How long one venue process has been silent, and whether that is a stall. */
export class StallWatch {
  readonly #pid: number | undefined;
  #silentMs = 0;
  #cpuMs: number | undefined;
  #phase: "starting" | "loading" | "usual" = "starting";

  constructor(pid: number | undefined) {
    this.#pid = pid;
  }

  /** A sign of life; `cpuMs` is the processor time that the process has used until then. */
  heard(cpuMs?: number): void {
    this.#silentMs = 0;
    if (cpuMs !== undefined) this.#cpuMs = cpuMs;
  }

  enter(phase: "loading" | "usual"): void {
    this.#phase = phase;
    this.heard();
  }

  get isQuiet(): boolean {
    return this.#phase === "usual" && this.#silentMs >= quietMs;
  }

  /**
   * Is called in every turn of the watch, with the milliseconds since the last. A turn that comes late counts
   * as two at most: the serving process itself has stood still then, and the signs of life that came
   * meanwhile are not read yet.
   */
  isStalled(elapsedMs: number): boolean {
    this.#silentMs += Math.min(elapsedMs, 2 * beatEveryMs);
    if (this.#phase === "starting") return this.#silentMs >= startingMs;
    if (this.#phase === "loading") return this.#silentMs >= loadingMs;
    if (this.#silentMs >= deadMs) return true;
    return this.#silentMs >= stuckMs && this.#workedMs() >= stuckMs;
  }

  /** Processor time since the last beat; zero where the system does not say. */
  #workedMs(): number {
    const now = this.#pid === undefined ? undefined : processorTimeOf(this.#pid);
    return now === undefined || this.#cpuMs === undefined ? 0 : now - this.#cpuMs;
  }
}

/** Linux counts in hundredths of a second, whatever the machine (proc_pid_stat(5), sysconf(_SC_CLK_TCK)). */
const tickMs = 10;

/**
 * Milliseconds of processor time that a process has used; `undefined` where there is no such process, or no
 * /proc.
 */
export function processorTimeOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name of the program stands in brackets and may hold blanks; utime and stime are the 12th and 13th
    // behind it.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) * tickMs;
  } catch {
    return undefined;
  }
}
