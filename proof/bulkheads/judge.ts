import { percentile } from "../../testkit/percentiles.ts";
import type { Promised } from "../proof.ts";
import type { Call } from "./victim.ts";

/** What was seen while one tenant worked and another attacked, or did not. */
export type Observation = Readonly<{
  way: string;
  /** `quiet`: no attack; `on`: the first defence stood; `off`: it was switched off; `against`: an older version. */
  defence: "quiet" | "on" | "off" | "against";
  calls: readonly Call[];
  /** Venue processes that stalled and were replaced. */
  stalls: number;
  /** Rounds of the clock that the slowest job missed. */
  roundsMissed: number;
  seconds: number;
  attacks: number;
}>;

export type Row = Readonly<{
  way: string;
  defence: Observation["defence"];
  attacks: number;
  calls: number;
  failures: number;
  codes: string;
  unknownUnsent: number;
  stalls: number;
  roundsMissed: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** What the slowest call was. */
  slowest: string;
  /** P99 against that of the quiet run of the same service. */
  ratio: number | null;
}>;

/** The victim's calls take no longer than this, whatever happens to the attacker. */
const mostMs = 2_000;
/** By how much an attack may lengthen the slowest hundredth of the victim's calls. */
const mostRatio = 1.5;
/** So many calls are needed before a percentile means something. */
const fewest = 1_000;

function isFailure({ status, code }: Call): boolean {
  return status < 200 || status >= 300 || code !== "";
}

export function rowOf(observation: Observation, quiet: Observation | null): Row {
  const { way, defence, calls, stalls, roundsMissed, attacks } = observation;
  const failures = calls.filter(isFailure);
  const counts = Map.groupBy(failures, ({ kind, status, code }) => `${kind} ${status} ${code}`.trim());
  const latencies = latenciesOf(observation);
  const quietP99 = quiet === null ? null : percentile(latenciesOf(quiet), 0.99);
  return {
    way,
    defence,
    attacks,
    calls: calls.length,
    failures: failures.length,
    codes: [...counts].map(([what, { length }]) => `${what} × ${length}`).join(", "),
    unknownUnsent: calls.filter((call) => call.unknownUnsent).length,
    stalls,
    roundsMissed,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    maxMs: percentile(latencies, 1),
    slowest:
      calls.reduce<Call | null>((most, call) => (most === null || call.ms > most.ms ? call : most), null)
        ?.kind ?? "",
    ratio: quietP99 === null ? null : percentile(latencies, 0.99) / quietP99,
  };
}

function latenciesOf({ calls }: Observation): Float64Array {
  return Float64Array.from(calls, ({ ms }) => ms).sort();
}

/** What is promised of a service whose first defence stands. */
export function judgeOn(rows: readonly Row[]): readonly Promised[] {
  return [
    count(
      "calls of the victim failed while it was attacked",
      rows,
      ({ calls }) => calls,
      ({ failures }) => failures,
    ),
    count(
      `attacks made the slowest hundredth of the victim's calls more than ${mostRatio} times as slow, or left too few to tell`,
      rows,
      () => 1,
      (row) => Number((row.ratio ?? Infinity) > mostRatio || row.calls < fewest),
    ),
    count(
      "attacks made a job of the clock miss a round",
      rows,
      () => 1,
      (row) => Number(row.roundsMissed > 0),
    ),
  ];
}

/** What is promised when the first defence is gone. */
export function judgeOff(rows: readonly Row[]): readonly Promised[] {
  return [
    count(
      "calls of the victim failed beyond one for each process that stalled",
      rows,
      ({ calls }) => calls,
      ({ failures, stalls }) => Math.max(0, failures - stalls),
    ),
    count(
      "orders of the victim ended with an unknown outcome although they had not left",
      rows,
      ({ calls }) => calls,
      ({ unknownUnsent }) => unknownUnsent,
    ),
    count(
      `attacks made a call of the victim take longer than ${mostMs / 1000} seconds`,
      rows,
      () => 1,
      (row) => Number(row.maxMs > mostMs),
    ),
    count(
      "attacks made a job of the clock miss a round",
      rows,
      () => 1,
      (row) => Number(row.roundsMissed > 0),
    ),
  ];
}

/** Whether an attack on a service without the defences harmed the victim. */
export function harmOf(row: Row): Promised {
  const slow = row.maxMs > mostMs || (row.ratio ?? 0) > mostRatio;
  const broken = row.failures + row.roundsMissed + Number(slow);
  return {
    text: `calls failed, rounds were missed or calls were slow under ${row.way}`,
    tried: row.calls,
    broken,
  };
}

function count(
  text: string,
  rows: readonly Row[],
  tried: (row: Row) => number,
  broken: (row: Row) => number,
): Promised {
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return { text, tried: sum(tried), broken: sum(broken) };
}
