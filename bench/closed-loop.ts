import autocannon from "autocannon";
import { answer } from "./answer.ts";
import { body, type Call, type ClosedLoopJob, closedLoopJob, type ClosedLoopResult } from "./load.ts";

/** The closed loop, in a process of its own: as much as the servers can answer. Connections are spread over all of them. */
async function drive({
  origins,
  calls,
  connections,
  warmUpSeconds,
  seconds,
}: ClosedLoopJob): Promise<ClosedLoopResult> {
  const each = connections / origins.length;
  const fireAll = (duration: number) =>
    Promise.all(origins.map((origin) => fire(origin, calls, each, duration)));
  await fireAll(warmUpSeconds);
  const results = await fireAll(seconds);
  return {
    perSecond: results.reduce((sum, { requests }) => sum + requests.average, 0),
    errors: results.reduce((sum, { errors, non2xx }) => sum + errors + non2xx, 0),
    p99Ms: Math.max(...results.map(({ latency }) => latency.p99)),
  };
}

async function fire(
  url: string,
  calls: readonly Call[],
  connections: number,
  duration: number,
): Promise<autocannon.Result> {
  let connected = 0;
  return autocannon({
    url,
    connections,
    duration,
    setupClient(client) {
      client.setRequests(shareOf(calls, connected, connections).map(toRequest));
      connected += 1;
    },
  });
}

/** Each connection has calls of its own, so that all of them together spread over all tenants at any time. */
function shareOf(calls: readonly Call[], connection: number, connections: number): readonly Call[] {
  const share = calls.filter((_, index) => index % connections === connection);
  return share.length > 0 ? share : calls;
}

function toRequest({ path, token }: Call): autocannon.Request {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return { method: "POST", path, headers, body };
}

await answer(async (job) => drive(closedLoopJob.parse(job)));
