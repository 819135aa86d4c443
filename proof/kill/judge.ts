import type { Promised } from "../proof.ts";
import { type Kind, kinds } from "./kinds.ts";
import type { Struck } from "./strike.ts";
import type { Findings } from "./trial.ts";

/** By name, so that each control can say which of them it breaks. */
export type KillPromises = ReturnType<typeof judge>;

const sumOf = <T>(items: readonly T[], number: (item: T) => number): number =>
  items.reduce((total, item) => total + number(item), 0);
const promised = (text: string, tried: number, broken: number): Promised => ({ text, tried, broken });

export function judge(findings: Findings) {
  return { ...judgeKept(findings), ...judgeService(findings), ...judgeWrites(findings) };
}

/** What was acknowledged is there, and nothing else. */
function judgeKept({ ledger, checked, concluded }: Findings) {
  return {
    opened: promised(
      "acknowledged secrets did not open, or opened to another",
      ledger.reveals,
      ledger.wrongReveals + sumOf(checked, ({ lost }) => lost),
    ),
    revoked: promised(
      "revoked credentials were not revoked any more",
      sumOf(checked, ({ revoked }) => revoked),
      sumOf(checked, ({ back }) => back),
    ),
    chains: promised(
      "chains of the record did not verify offline",
      sumOf(checked, ({ chains }) => chains),
      sumOf(checked, ({ broken }) => broken),
    ),
    recorded: promised(
      "acknowledged reveals were not in the record",
      ledger.reveals,
      concluded?.unrecorded ?? ledger.reveals,
    ),
    orphans: promised(
      "secrets, versions or intents belonged to nothing when the reconciler had been by",
      concluded === null ? 0 : ledger.entries.length,
      concluded?.orphans ?? 0,
    ),
  };
}

/** It comes back, whoever was killed. */
function judgeService({ starts, struck }: Findings) {
  const alone = struck.filter(({ hasSettled }) => hasSettled !== null);
  return {
    processes: promised(
      "venue processes outlived their service",
      sumOf(struck, ({ venueProcesses }) => venueProcesses),
      sumOf(struck, ({ leftBehind }) => leftBehind),
    ),
    starts: promised(
      "starts were refused",
      starts.length,
      starts.filter(({ refusal }) => refusal !== null).length,
    ),
    postmaster: promised(
      "services neither ended nor recovered when their postmaster was killed",
      alone.length,
      alone.filter(({ hasSettled }) => hasSettled === false).length,
    ),
  };
}

/** Each is done once, however often it is sent. */
function judgeWrites({ ledger, concluded }: Findings) {
  return {
    repeats: promised(
      "repeats of an unanswered write were refused",
      ledger.repeats.length,
      ledger.repeats.filter(({ code }) => code !== null).length,
    ),
    once: promised("writes were done twice, or were lost", concluded?.unique ?? 0, concluded?.notOnce ?? 0),
    refused: promised("writes were refused for no reason", ledger.writes, ledger.refusals.length),
  };
}

/** What all kills of one kind came to. */
export type Row = Readonly<{
  kind: Kind | "all";
  kills: number;
  atStart: number;
  /** Seconds from the kill to a service that answers: the middle one, and the longest. */
  median: number;
  longest: number;
  venueProcesses: number;
}>;

export function rowsOf(struck: readonly Struck[]): readonly Row[] {
  const of = (kind: Row["kind"], some: readonly Struck[]): Row => {
    const seconds = some.map(({ downSeconds }) => downSeconds ?? Infinity).toSorted((a, b) => a - b);
    return {
      kind,
      kills: some.length,
      atStart: some.filter(({ alsoAtStart }) => alsoAtStart).length,
      median: seconds[Math.floor((seconds.length - 1) / 2)] ?? 0,
      longest: seconds.at(-1) ?? 0,
      venueProcesses: sumOf(some, ({ venueProcesses }) => venueProcesses),
    };
  };
  const rows = kinds.map((kind) =>
    of(
      kind,
      struck.filter((one) => one.kind === kind),
    ),
  );
  return [...rows.filter(({ kills }) => kills > 0), of("all", struck)];
}
