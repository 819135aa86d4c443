import { storeChoices } from "../ground.ts";
import type { Promised } from "../proof.ts";
import type { Cut, Findings, Found, Secret } from "./findings.ts";
import { type Scenario, scenarioNames } from "./scenarios.ts";

/** By name, so that each control can say which of them it breaks. */
export type CrashPromises = Readonly<
  Record<"working" | "inForce" | "orphans" | "unchanged" | "repeated" | "again", Promised>
>;

/** What a use may give after the kill. Where nothing was there before, it may have come to nothing. */
const allowed: Readonly<Record<Scenario, readonly Secret[]>> = {
  register: ["none", "new"],
  rotate: ["old", "new"],
  "rotate-at-once": ["old", "new"],
  finish: ["new"],
  reconcile: ["new"],
};

const isWorking = ({ scenario, before }: Cut): boolean => allowed[scenario].includes(before.secret);
const isThere = ({ secret }: Found): boolean => secret !== "none";
/** Exactly one, where there is a credential. */
const isInForce = (found: Found): boolean =>
  isThere(found) ? found.inForce === 1 && found.current === 1 : found.current === 0;

export function judge({ cuts, rounds }: Findings): CrashPromises {
  const used = cuts.filter((cut) => isThere(cut.before) || !isWorking(cut));
  const repeated = cuts.filter((cut) => cut.repeated !== null);
  const promised = (text: string, tried: readonly unknown[], broken: readonly unknown[]): Promised => ({
    text,
    tried: tried.length,
    broken: broken.length,
  });
  return {
    working: promised(
      "kills left a credential of which no version works",
      used,
      used.filter((cut) => !isWorking(cut)),
    ),
    inForce: promised(
      "kills left two versions in force, or none, before or after the reconciler",
      cuts,
      cuts.filter(({ before, after }) => !isInForce(before) || !isInForce(after)),
    ),
    orphans: promised(
      "kills left something that belongs to nothing after one run of the reconciler",
      cuts,
      cuts.filter(({ after }) => after.orphans.length > 0),
    ),
    unchanged: promised(
      "kills after which the reconciler put another secret in force",
      cuts,
      cuts.filter(({ before, after }) => before.secret !== after.secret),
    ),
    repeated: promised(
      "pieces of work that had come to nothing could not be done after that",
      repeated,
      repeated.filter((cut) => cut.repeated === false),
    ),
    again: promised(
      "second runs of the reconciler changed anything",
      rounds,
      rounds.filter(({ changedAgain }) => changedAgain),
    ),
  };
}

/** What came of the kills of one kind of work. */
export type Row = Readonly<{
  work: Scenario | "all";
  store: Cut["store"] | "";
  points: number;
  cutOff: number;
  old: number;
  new: number;
  none: number;
  lost: number;
  notOneInForce: number;
  orphansBefore: number;
  orphansAfter: number;
}>;

/** A row for each kind of work in each store, and one for all. */
export function rowsOf(cuts: readonly Cut[]): readonly Row[] {
  const rows = scenarioNames.flatMap((scenario) =>
    storeChoices.flatMap((store) => {
      const some = cuts.filter((cut) => cut.scenario === scenario && cut.store === store);
      return some.length === 0 ? [] : [rowOf(scenario, store, some)];
    }),
  );
  return [...rows, rowOf("all", "", cuts)];
}

function rowOf(work: Row["work"], store: Row["store"], cuts: readonly Cut[]): Row {
  const ending = (secret: Secret): number => cuts.filter(({ before }) => before.secret === secret).length;
  const orphans = (when: (cut: Cut) => Found): number =>
    cuts.reduce((sum, cut) => sum + when(cut).orphans.length, 0);
  return {
    work,
    store,
    points: pointsIn(cuts),
    cutOff: cuts.length,
    old: ending("old"),
    new: ending("new"),
    none: ending("none"),
    lost: ending("lost"),
    notOneInForce: cuts.filter(({ before }) => !isInForce(before)).length,
    orphansBefore: orphans(({ before }) => before),
    orphansAfter: orphans(({ after }) => after),
  };
}

export function pointsIn(cuts: readonly Cut[]): number {
  return new Set(cuts.map(({ store, scenario, at, moment }) => [store, scenario, at, moment].join())).size;
}
