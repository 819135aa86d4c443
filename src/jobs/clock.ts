import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { indexRecord } from "../audit/search.ts";
import { checkDue, forgetHistory } from "../credentials/check.ts";
import type { Custody } from "../credentials/custody.ts";
import { reconcile } from "../credentials/destroy.ts";
import { eraseAccounts, eraseTenants } from "../credentials/erase.ts";
import { expireDue, warnExpiring } from "../credentials/expiry.ts";
import { resealDue } from "../credentials/reseal.ts";
import { beginDue, stepDue } from "../credentials/rotation-at-venue/step.ts";
import { finishDueRotations } from "../credentials/rotation.ts";
import type { Db } from "../db/connect.ts";
import type { Tally } from "../db/sweep.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { destroyUnusedDataKeys, rotateWornDataKeys } from "../tenants/data-key.ts";
import { signExisting } from "../tenants/sign-rights.ts";
import { forgetOld } from "../webhooks/outbox.ts";

type Lane = Readonly<{
  name: string;
  /**
   * `alone`: by one process at a time, for tasks that list what is due. `shared`: by all at once, for tasks
   * that claim it.
   */
  done: "alone" | "shared";
  tasks: Readonly<Record<string, (custody: Custody) => Promise<Tally>>>;
}>;

/**
 * The scheduled work, in lanes that do not wait for one another; within a lane it is done in order. A task
 * that asks a store or a venue shares no lane with one that does not. Each task is safe to repeat and to be
 * cut off.
 */
const lanes: readonly Lane[] = [
  { name: "intents", done: "alone", tasks: { reconcile } },
  { name: "overlaps", done: "alone", tasks: { "finish-rotations": finishDueRotations } },
  {
    name: "dates",
    done: "alone",
    tasks: { "expire-credentials": expireDue, "warn-expiring": warnExpiring },
  },
  { name: "record", done: "shared", tasks: { "index-record": indexRecord } },
  {
    name: "erasures",
    done: "alone",
    tasks: { "erase-accounts": eraseAccounts, "erase-tenants": eraseTenants },
  },
  {
    name: "history",
    done: "alone",
    tasks: { "forget-webhooks": forgetOld, "forget-history": forgetHistory },
  },
  { name: "checks", done: "shared", tasks: { "check-health": checkDue } },
  {
    name: "rotations",
    done: "alone",
    tasks: { "begin-rotations": beginDue, "rotate-at-venues": stepDue },
  },
  {
    name: "data-keys",
    done: "alone",
    tasks: {
      "sign-rights": signExisting,
      "rotate-data-keys": rotateWornDataKeys,
      "reseal-credentials": resealDue,
      "destroy-data-keys": destroyUnusedDataKeys,
    },
  },
];

export type Clock = Readonly<{
  /** Runs every task once, except those that one process does alone while another process is at them. */
  tick(): Promise<void>;
  /** Begins no more rounds, and waits for those under way. */
  stop(): Promise<void>;
}>;

export type ClockOptions = Readonly<{
  everyMs?: number;
  /** Whether each lane has rounds of its own. Otherwise no lane begins again until all have ended. */
  lanesApart?: boolean;
}>;

export const usualIntervalMs = 60_000;

/** Runs the lanes every `everyMs`. */
export function startClock(
  parts: Readonly<{
    custody: Custody;
    log: Log;
    metrics: Pick<Metrics, "jobRuns" | "jobLastRun" | "jobEnded">;
  }>,
  { everyMs = usualIntervalMs, lanesApart = true }: ClockOptions = {},
): Clock {
  for (const job of lanes.flatMap(({ tasks }) => Object.keys(tasks))) parts.metrics.jobEnded(job);
  const holder = randomUUID();
  const runs = lanes.map((lane) => () => runLane(parts, lane, holder));
  const together = (): Promise<unknown> => Promise.all(runs.map((run) => run()));
  const rounds = (lanesApart ? runs : [together]).map((run) => new Rounds(run, everyMs));
  return {
    tick: async () => void (await Promise.all(rounds.map((one) => one.run()))),
    stop: async () => void (await Promise.all(rounds.map((one) => one.stop()))),
  };
}

/**
 * Rounds with a timer of their own. After a round that takes longer than the interval, the missed rounds are
 * left out.
 */
class Rounds {
  readonly #work: () => Promise<unknown>;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | null = null;

  constructor(work: () => Promise<unknown>, everyMs: number) {
    this.#work = work;
    this.#timer = setInterval(() => void this.run(), everyMs);
  }

  /** The round under way, or a new one. */
  run(): Promise<void> {
    this.#running ??= this.#work()
      .then(() => undefined)
      .finally(() => (this.#running = null));
    return this.#running;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}

async function runLane(
  parts: Parameters<typeof startClock>[0],
  { name, done, tasks }: Lane,
  holder: string,
): Promise<void> {
  const runAll = async (): Promise<void> => {
    for (const [job, task] of Object.entries(tasks)) await run(parts, job, task);
  };
  await (done === "shared" ? runAll() : alone(parts, name, holder, runAll));
}

/** A process that has not renewed its lease by then has died, and another takes its lane. */
const leaseSeconds = 60;

/** Does the work unless another process is at it. If a long pause lets two do it at once, that does no harm. */
async function alone(
  { custody: { db }, log }: Pick<Parameters<typeof startClock>[0], "custody" | "log">,
  lane: string,
  holder: string,
  work: () => Promise<void>,
): Promise<void> {
  const take = (): Promise<boolean> => takeLane(db, lane, holder);
  const mine = await take().catch((error: unknown) => {
    log.warn("a round of the clock could not be made: its lane could not be taken", { job: lane, error });
    return false;
  });
  if (!mine) return;
  const renewal = setInterval(() => void take().catch(() => undefined), (leaseSeconds * 1000) / 3);
  try {
    await work();
  } finally {
    clearInterval(renewal);
    // A lane that cannot be left is free when its lease is over.
    await sql`select clock.leave_lane(${lane}, ${holder})`.execute(db).catch(() => undefined);
  }
}

async function takeLane(db: Db, lane: string, holder: string): Promise<boolean> {
  const { rows } = await sql<{ mine: boolean }>`
    select clock.take_lane(${lane}, ${holder}, make_interval(secs => ${leaseSeconds})) as mine`.execute(db);
  return rows[0]?.mine === true;
}

async function run(
  { custody, log, metrics }: Parameters<typeof startClock>[0],
  job: string,
  task: (custody: Custody) => Promise<Tally>,
): Promise<void> {
  try {
    const { failed } = await task(custody);
    if (failed > 0) log.warn("a job could not finish everything and will try again", { job, count: failed });
    metrics.jobRuns.inc({ job, outcome: "ok" });
    metrics.jobLastRun.set({ job }, Date.now() / 1000);
    metrics.jobEnded(job);
  } catch (error) {
    metrics.jobRuns.inc({ job, outcome: "failed" });
    log.error("a job failed", { job, error });
  }
}
