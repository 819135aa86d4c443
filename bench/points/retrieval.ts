import { settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import type { Figure, Section } from "../figures.ts";
import { type Call, type OpenLoopResult, runOpenLoop } from "../load.ts";
import { startBareRoute, startService } from "../servers.ts";

const perSecond = 1000;
const connections = 256;
/** At this rate the compiler has seen enough of a service only then: a service runs for weeks. */
const warmUpSeconds = 10;

/** Latency of `reveal` at a constant rate, its record committed first, beside the bare route's. */
export async function measureRetrieval(
  installation: Installation,
  calls: readonly Call[],
  seconds: number,
): Promise<Section> {
  const load = { calls: [...calls], connections, perSecond, warmUpSeconds };
  const bare = await withServer(startBareRoute(installation), (origin) =>
    runOpenLoop({ ...load, origin, seconds: Math.min(seconds, 30) }),
  );
  const reveal = await withServer(startService(settingsFor(installation)), (origin) =>
    runOpenLoop({ ...load, origin, seconds }),
  );
  return {
    title: `Retrieval, open loop, ${perSecond} requests/s for ${seconds} s, counted from when each was due`,
    figures: [
      ...describe("reveal", reveal),
      ...describe("bare", bare),
      { name: "reveal_to_bare_p50_ratio", text: "reveal / bare, P50", value: reveal.p50Ms / bare.p50Ms },
      { name: "reveal_to_bare_p99_ratio", text: "reveal / bare, P99", value: reveal.p99Ms / bare.p99Ms },
    ],
  };
}

async function withServer<T>(
  starting: ReturnType<typeof startService>,
  work: (origin: string) => Promise<T>,
): Promise<T> {
  await using server = await starting;
  return await work(server.origin);
}

function describe(name: "reveal" | "bare", result: OpenLoopResult): readonly Figure[] {
  const text = name === "bare" ? "bare route" : name;
  return [
    { name: `${name}_p50_ms`, text: `${text}, P50`, value: result.p50Ms },
    { name: `${name}_p99_ms`, text: `${text}, P99`, value: result.p99Ms },
    { name: `${name}_p999_ms`, text: `${text}, P99.9`, value: result.p999Ms },
    {
      name: `${name}_driver_late_p99_ms`,
      text: `  of it the driver's own delay, P99`,
      value: result.lateP99Ms,
    },
    { name: `${name}_requests_count`, text: `${text}, requests`, value: result.requests },
    { name: `${name}_errors_count`, text: `${text}, errors`, value: result.errors },
  ];
}
