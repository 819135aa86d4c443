import { percentile } from "../testkit/percentiles.ts";
import { answer } from "./answer.ts";
import { body, type ClosedLoopJob, closedLoopJob, type ClosedLoopResult } from "./load.ts";
import { requestBytes, Wire } from "./wire.ts";

/** The closed loop, in a process of its own: as much as the servers can answer. Connections are spread over all of them. */
async function drive(job: ClosedLoopJob): Promise<ClosedLoopResult> {
  const before = process.cpuUsage();
  const requests = job.calls.map((call) => requestBytes(call, body));
  const wires = await Promise.all(
    Array.from({ length: job.connections }, (_, index) =>
      Wire.open(job.origins[index % job.origins.length] ?? ""),
    ),
  );
  try {
    const warmUp = await fire(wires, requests, job.warmUpSeconds);
    const result = await fire(wires, requests, job.seconds);
    const { user, system } = process.cpuUsage(before);
    return { ...result, answered: warmUp.answered + result.answered, driverUs: user + system };
  } finally {
    for (const wire of wires) wire.close();
  }
}

/** Calls go round, so that at any time all connections together spread over all tenants. One that fails is not used again. */
async function fire(
  wires: readonly Wire[],
  requests: readonly Uint8Array[],
  seconds: number,
): Promise<Omit<ClosedLoopResult, "driverUs">> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  let sent = 0;
  let errors = 0;
  const loop = (wire: Wire, done: () => void): void => {
    const request = requests[sent++ % requests.length];
    if (request === undefined) throw new Error("a closed loop needs calls");
    const left = performance.now();
    wire.send(request, (succeeded) => {
      const now = performance.now();
      if (succeeded) latencies.push(now - left);
      else errors += 1;
      if (succeeded && now < end) loop(wire, done);
      else done();
    });
  };
  await Promise.all(wires.map((wire) => new Promise<void>((resolve) => loop(wire, resolve))));
  return {
    perSecond: (latencies.length * 1000) / (performance.now() - start),
    errors,
    answered: latencies.length + errors,
    p99Ms: percentile(Float64Array.from(latencies).sort(), 0.99),
  };
}

await answer(async (job) => drive(closedLoopJob.parse(job)));
