import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../testkit/percentiles.ts";
import { answer } from "./answer.ts";
import { body, openLoopJob, type OpenLoopJob, type OpenLoopResult } from "./load.ts";
import { arrivals, dueAt, dueBy, type Schedule } from "./schedule.ts";
import { requestBytes } from "./wire.ts";
import { Wires } from "./wires.ts";

/**
 * The open loop, in a process of its own: requests leave when they are due, whether or not earlier ones were answered, and a
 * latency counts from the moment when its request was due. A server that stalls is charged for everything that should have
 * been sent meanwhile.
 */
async function drive(job: OpenLoopJob): Promise<OpenLoopResult> {
  const requests = job.calls.map((call) => requestBytes(call, body));
  using wires = new Wires(job.origin, job.connections);
  await keepPace(wires, requests, { perSecond: job.perSecond, seconds: job.warmUpSeconds });
  return await keepPace(wires, requests, { perSecond: job.perSecond, seconds: job.seconds });
}

async function keepPace(
  wires: Wires,
  requests: readonly Uint8Array[],
  schedule: Schedule,
): Promise<OpenLoopResult> {
  const count = arrivals(schedule);
  const latencies = new Float64Array(count);
  const lateness = new Float64Array(count);
  const answers: Promise<boolean>[] = [];
  const start = performance.now();
  const send = async (index: number, request: Uint8Array): Promise<boolean> => {
    const due = start + dueAt(schedule, index);
    lateness[index] = performance.now() - due;
    const succeeded = await wires.send(request);
    latencies[index] = performance.now() - due;
    return succeeded;
  };
  while (answers.length < count) {
    for (const due = dueBy(schedule, performance.now() - start); answers.length < due;) {
      const request = requests[answers.length % requests.length];
      if (request === undefined) throw new Error("an open loop needs calls");
      answers.push(send(answers.length, request));
    }
    await sleep(1);
  }
  const errors = (await Promise.all(answers)).filter((succeeded) => !succeeded).length;
  return summarize(latencies.sort(), lateness.sort(), errors);
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
