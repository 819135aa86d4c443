import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { answer } from "./answer.ts";
import { body, type Call, openLoopJob, type OpenLoopJob, type OpenLoopResult } from "./load.ts";
import { percentile } from "./percentiles.ts";
import { arrivals, dueAt, dueBy, type Schedule } from "./schedule.ts";

/**
 * The open loop, in a process of its own: requests leave when they are due, whether or not earlier ones were answered, and a
 * latency counts from the moment when its request was due. A server that stalls is charged for everything that should have
 * been sent meanwhile.
 */
async function drive(job: OpenLoopJob): Promise<OpenLoopResult> {
  const pool = new Pool(job.origin, { connections: job.connections, pipelining: 1 });
  try {
    await keepPace(pool, job, { perSecond: job.perSecond, seconds: job.warmUpSeconds });
    return await keepPace(pool, job, { perSecond: job.perSecond, seconds: job.seconds });
  } finally {
    await pool.close();
  }
}

async function keepPace(pool: Pool, { calls }: OpenLoopJob, schedule: Schedule): Promise<OpenLoopResult> {
  const count = arrivals(schedule);
  const latencies = new Float64Array(count);
  const lateness = new Float64Array(count);
  const answers: Promise<boolean>[] = [];
  const start = performance.now();
  const send = async (index: number, call: Call): Promise<boolean> => {
    const due = start + dueAt(schedule, index);
    lateness[index] = performance.now() - due;
    const succeeded = await request(pool, call).catch(() => false);
    latencies[index] = performance.now() - due;
    return succeeded;
  };
  while (answers.length < count) {
    for (const due = dueBy(schedule, performance.now() - start); answers.length < due;) {
      const call = calls[answers.length % calls.length];
      if (call === undefined) throw new Error("an open loop needs calls");
      answers.push(send(answers.length, call));
    }
    await sleep(1);
  }
  const errors = (await Promise.all(answers)).filter((succeeded) => !succeeded).length;
  return summarize(latencies.sort(), lateness.sort(), errors);
}

async function request(pool: Pool, { path, token }: Call): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await pool.request({ method: "POST", path, headers, body });
  await response.body.dump();
  return response.statusCode === 200;
}

function summarize(latencies: Float64Array, lateness: Float64Array, errors: number): OpenLoopResult {
  return {
    requests: latencies.length,
    errors,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    p999Ms: percentile(latencies, 0.999),
    lateP99Ms: percentile(lateness, 0.99),
  };
}

await answer(async (job) => drive(openLoopJob.parse(job)));
