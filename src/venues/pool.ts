import { Child, ProcessLost } from "./child.ts";
import type { KeyAnswer, KeyJob } from "./keys/job.ts";
import type { Answer, Job } from "./protocol.ts";
import type { VenueSettings } from "./settings.ts";
import type { SecretFields } from "./venue.ts";
import type { Indefinite } from "./verdict.ts";

export type Pool = Readonly<{
  /** Never throws for what happens in a venue process: a lost process is an indefinite outcome. */
  call(job: Job, fields: SecretFields): Promise<Answer | Indefinite>;
  manageKeys(
    job: KeyJob,
    credentials: readonly SecretFields[],
    replyTo: Uint8Array,
  ): Promise<KeyAnswer | Indefinite>;
  close(): Promise<void>;
}>;

/**
 * A process is replaced after so many calls, or when it has grown so large; it first finishes what it has begun.
 * The market lists that it keeps take some 100 MB for a large exchange.
 */
const callsPerProcess = 20_000;
const memoryPerProcess = 1536 * 1024 * 1024;
/** Another process is started only when the first has so many calls under way. */
const busyEnough = 4;
/** A process that is so late against its own deadline no longer runs its event loop. */
export const patienceMs = 10_000;

/** What the pool needs of a venue process. */
export type PoolChild = Pick<Child, "busy" | "calls" | "memory" | "lost" | "call" | "manageKeys" | "stop">;

/**
 * The processes in which venue code runs, started on first use. No more than `settings.processes` take calls; one
 * that is being replaced may still be finishing its own.
 */
export function createPool(
  settings: VenueSettings,
  start: () => PoolChild = () => new Child(settings),
): Pool {
  let children: PoolChild[] = [];
  const retired = new Set<PoolChild>();
  let closed = false;

  return {
    call: (job, fields) => give((child) => child.call(job, fields)),
    manageKeys: (job, credentials, replyTo) => give((child) => child.manageKeys(job, credentials, replyTo)),
    async close() {
      closed = true;
      await Promise.all([...children, ...retired].map((child) => child.stop()));
    },
  };

  async function give<T>(work: (child: PoolChild) => Promise<T>): Promise<T | Indefinite> {
    if (closed) return { ...lost("the venue processes are stopped"), unsent: true };
    const child = choose();
    const watchdog = setTimeout(() => void child.stop(), settings.timeoutMs + patienceMs);
    try {
      return await work(child);
    } catch (error) {
      if (error instanceof ProcessLost) return lost("the venue process ended during the call");
      throw error;
    } finally {
      clearTimeout(watchdog);
      retire(child);
    }
  }

  function choose(): PoolChild {
    children = children.filter((child) => !child.lost);
    const idlest = children.toSorted((a, b) => a.busy - b.busy)[0];
    if (idlest !== undefined && (idlest.busy < busyEnough || children.length >= settings.processes)) {
      return idlest;
    }
    const started = start();
    children.push(started);
    return started;
  }

  function retire(child: PoolChild): void {
    if (child.calls >= callsPerProcess || child.memory >= memoryPerProcess) {
      children = children.filter((other) => other !== child);
      retired.add(child);
    }
    if (retired.has(child) && child.busy === 0) {
      retired.delete(child);
      void child.stop();
    }
  }
}

function lost(message: string): Indefinite {
  return { outcome: "venue_unavailable", message };
}
