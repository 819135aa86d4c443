import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { venueIds } from "../../simulator/venue.ts";
import { usualPace, usualRoundMs } from "../../src/credentials/check.ts";
import { usualIntervalMs } from "../../src/jobs/clock.ts";
import { install, settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import { callsFor } from "../calls.ts";
import { type ChecksResult, runChecks } from "../checks.ts";
import type { Figure, Section } from "../figures.ts";
import { type Call, type OpenLoopResult, runOpenLoop } from "../load.ts";
import { seed } from "../seed.ts";
import { startService } from "../servers.ts";

const mostTenants = 50;
const retrievalsPerSecond = 200;
const connections = 64;
const warmUpSeconds = 3;
/** As fast as the code is: the simulator asks for no patience. */
const pace = { atOnce: 8, perSecond: 10_000 };

/**
 * Checks of credentials at all venues of the simulator, all of them due, by one worker beside a service that answers retrievals at a
 * constant rate: how long they take, and what they cost those who retrieve.
 */
export async function measureHealth(credentials: number, seconds: number): Promise<Section> {
  await using installation = await install();
  const simulator = await startSimulator();
  try {
    const calls = await fill(installation, simulator, credentials);
    const environment = {
      ...settingsFor(installation),
      KEYHOLD_VENUE_HOSTS: JSON.stringify(hostsOf(simulator)),
    };
    await using service = await startService({ ...environment, KEYHOLD_ROLE: "api" });
    const before = await retrieve(service.origin, calls, seconds);
    const asked = simulator.control.countRequests();
    const [checks, { result: meanwhile, endedAt }] = await Promise.all([
      runChecks({ environment, pace }),
      retrieve(service.origin, calls, seconds).then((result) => ({ result, endedAt: Date.now() })),
    ]);
    const venueCalls = simulator.control.countRequests() - asked;
    return {
      title: `Health checks, ${calls.length} credentials of ${venueIds.length} venues of the simulator, ${retrievalsPerSecond} retrievals/s beside them`,
      figures: [
        ...describeChecks(checks, venueCalls),
        ...describe("reveal_before_checks", "reveal, nothing is checked", before),
        ...describe("reveal_during_checks", "reveal, while they are checked", meanwhile),
        {
          name: "reveal_during_checks_share_ratio",
          text: "  share of that time in which they were",
          value: overlap(checks, endedAt - seconds * 1000, endedAt),
        },
        ...describeUsualPace(calls.length),
      ],
    };
  } finally {
    await simulator.close();
  }
}

/** One credential after the other, each at the next venue. */
async function fill(
  installation: Installation,
  { control }: Simulator,
  credentials: number,
): Promise<readonly Call[]> {
  let next = 0;
  const tenants = Math.min(mostTenants, credentials);
  const seeded = await seed(installation, {
    tenants,
    credentialsEach: Math.ceil(credentials / tenants),
    nextKey: () => control.addKey(venueIds[next++ % venueIds.length] ?? "binance"),
    checkInMinutes: 0,
  });
  return callsFor("reveal", installation.folder, seeded);
}

function hostsOf({ hosts }: Simulator): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const byVenue = Map.groupBy(hosts, ({ venue }) => venue);
  return Object.fromEntries(
    [...byVenue].map(([venue, all]) => [
      venue,
      Object.fromEntries(all.map(({ environment, url }) => [environment, url])),
    ]),
  );
}

function retrieve(origin: string, calls: readonly Call[], seconds: number): Promise<OpenLoopResult> {
  const load = { calls: [...calls], connections, perSecond: retrievalsPerSecond, warmUpSeconds };
  return runOpenLoop({ ...load, origin, seconds });
}

/** Which share of a span of time the checks took. */
function overlap({ startedAt, endedAt }: ChecksResult, from: number, to: number): number {
  return Math.max(0, Math.min(endedAt, to) - Math.max(startedAt, from)) / (to - from);
}

function describeChecks(
  { done, failed, startedAt, endedAt }: ChecksResult,
  venueCalls: number,
): readonly Figure[] {
  const wall = (endedAt - startedAt) / 1000;
  return [
    { name: "checks_wall_s", text: "all checked after", value: wall },
    { name: "checks_per_s", text: "  checks", value: done / wall },
    { name: "checks_venue_calls_per_s", text: "  calls of venues", value: venueCalls / wall },
    { name: "checks_failed_count", text: "  that failed", value: failed },
  ];
}

function describe(
  name: "reveal_before_checks" | "reveal_during_checks",
  text: string,
  result: OpenLoopResult,
): readonly Figure[] {
  return [
    { name: `${name}_p50_ms`, text: `${text}, P50`, value: result.p50Ms },
    { name: `${name}_p99_ms`, text: "  P99", value: result.p99Ms },
    { name: `${name}_errors_count`, text: "  errors", value: result.errors },
  ];
}

/**
 * Not measured: what the pace allows, which is kept for the sake of the venues. The clock looks once a minute, and asks each venue at
 * its pace for as long as a round lasts.
 */
function describeUsualPace(credentials: number): readonly Figure[] {
  const everySeconds = usualIntervalMs / 1000;
  const perRound = (usualPace.perSecond * usualRoundMs) / 1000;
  const ofOneVenue = Math.ceil(credentials / venueIds.length);
  const rounds = Math.ceil(ofOneVenue / perRound);
  const inLast = ofOneVenue - (rounds - 1) * perRound;
  return [
    {
      name: "checks_usual_pace_wall_s",
      text: "at the usual pace they take, calculated",
      value: (rounds - 1) * everySeconds + inLast / usualPace.perSecond,
    },
    {
      name: "checks_usual_pace_hour_count",
      text: "  and one venue is asked in an hour, by one process",
      value: (perRound * 3600) / everySeconds,
    },
  ];
}
