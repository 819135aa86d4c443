import type { Pool } from "pg";
import { indexRecord } from "../audit/index-record.ts";
import { beginDue, stepDue } from "../credentials/at-venue/due.ts";
import { eraseAccounts, eraseTenants } from "../credentials/erase.ts";
import type { Custody } from "../credentials/custody.ts";
import { checkDue } from "../credentials/check-health.ts";
import { finishDueRotations } from "../credentials/finish-rotation.ts";
import { expireDue, reconcile } from "../credentials/reconcile.ts";
import { forgetHistory } from "../credentials/forget-history.ts";
import { resealDue } from "../credentials/reseal-due.ts";
import { warnExpiring } from "../credentials/warn-expiring.ts";
import type { Tally } from "../credentials/tally.ts";
import { forgetOld } from "../webhooks/due.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { destroyUnusedDataKeys, rotateWornDataKeys } from "../tenants/data-keys/due.ts";

type Task = (custody: Custody) => Promise<Tally>;

type Lane = Readonly<{
  /** `alone`: by one process at a time, for tasks that list what is due. `shared`: by all at once, for tasks that claim it. */
  done: "alone" | "shared";
  tasks: Readonly<Record<string, Task>>;
}>;

/**
 * The work that time brings, in lanes that do not wait for one another; within a lane it is done in order. Each task is safe to
 * repeat and to be cut off.
 */
const lanes: readonly Lane[] = [
  {
    done: "alone",
    tasks: {
      reconcile,
      "finish-rotations": finishDueRotations,
      "expire-credentials": expireDue,
      "warn-expiring": warnExpiring,
      "erase-accounts": eraseAccounts,
      "erase-tenants": eraseTenants,
      "forget-webhooks": forgetOld,
      "forget-history": forgetHistory,
    },
  },
  { done: "shared", tasks: { "check-health": checkDue } },
  { done: "shared", tasks: { "index-record": indexRecord } },
  { done: "alone", tasks: { "begin-rotations": beginDue, "rotate-at-venues": stepDue } },
  {
    done: "alone",
    tasks: {
      "rotate-data-keys": rotateWornDataKeys,
      "reseal-credentials": resealDue,
      "destroy-data-keys": destroyUnusedDataKeys,
    },
  },
];

/** Numbers that only this clock locks: this one and those that follow, one for each lane. */
const firstLock = 7_160_432_001;

export type Clock = Readonly<{
  /** Runs every task once, but for those that one process does alone and another is at. */
  tick(): Promise<void>;
  stop(): Promise<void>;
}>;

type Needs = Readonly<{
  custody: Custody;
  /** Connections that are not shared through a pooler: the lock belongs to the session. */
  pool: Pool;
  log: Log;
  metrics: Pick<Metrics, "jobRuns" | "jobLastRun">;
}>;

export const usualIntervalMs = 60_000;

/** Runs the lanes every `everyMs`. */
export function startClock(needs: Needs, everyMs = usualIntervalMs): Clock {
  let running: Promise<void> | null = null;
  // A round that takes longer than the interval is not followed by those that it missed.
  const tick = (): Promise<void> => {
    running ??= Promise.all(lanes.map((lane, at) => runLane(needs, lane, firstLock + at)))
      .then(() => undefined)
      .finally(() => (running = null));
    return running;
  };
  const timer = setInterval(() => void tick(), everyMs);
  return {
    tick,
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

async function runLane(needs: Needs, { done, tasks }: Lane, lock: number): Promise<void> {
  const runAll = async (): Promise<void> => {
    for (const [job, task] of Object.entries(tasks)) await run(needs, job, task);
  };
  await (done === "shared" ? runAll() : alone(needs, lock, runAll));
}

/** Does the work unless another process is at it. */
async function alone({ pool, log }: Needs, lock: number, work: () => Promise<void>): Promise<void> {
  const client = await pool.connect().catch(() => null);
  if (client === null) return;
  try {
    const { rows } = await client.query<{ mine: boolean }>("select pg_try_advisory_lock($1) as mine", [lock]);
    if (rows[0]?.mine === true) {
      await work();
      await client.query("select pg_advisory_unlock($1)", [lock]);
    }
    client.release();
  } catch (error) {
    log.error("the clock could not run", { error });
    // The connection ends, and with it the lock, should it have it still.
    client.release(true);
  }
}

async function run({ custody, log, metrics }: Needs, job: string, task: Task): Promise<void> {
  try {
    const { failed } = await task(custody);
    if (failed > 0) log.warn("a job could not finish everything and will try again", { job, count: failed });
    metrics.jobRuns.inc({ job, outcome: "ok" });
    metrics.jobLastRun.set({ job }, Date.now() / 1000);
  } catch (error) {
    metrics.jobRuns.inc({ job, outcome: "failed" });
    log.error("a job failed", { job, error });
  }
}
