import { type Column, table } from "../../src/cli/output.ts";
import { type Stretch, sumUp } from "./judge.ts";

const columns: readonly Column<Stretch>[] = [
  ["after", ({ fault }) => fault],
  ["writes", ({ writes }) => writes],
  ["lost", ({ lost }) => lost],
  ["gap", ({ writeGapMs }) => seconds(writeGapMs)],
  ["cached", ({ cached }) => cached],
  ["failed", ({ cachedFailed }) => cachedFailed],
  ["uncached", ({ uncached }) => uncached],
  ["failed in gap", ({ uncachedFailedInGap }) => uncachedFailedInGap],
  ["elsewhere", ({ uncachedFailedElsewhere }) => uncachedFailedElsewhere],
  ["gap", ({ readGapMs }) => seconds(readGapMs)],
  ["stale", ({ stale }) => stale],
  ["orders", ({ orders }) => orders],
  ["twice", ({ ordersTwice }) => ordersTwice],
];

/** A row for each fault, and one for all of them; then what the failures said. */
export function tellStretches(stretches: readonly Stretch[]): readonly string[] {
  const sum = sumUp(stretches);
  const codes = Object.entries(sum.codes).map(([code, count]) => `${code} ${count}`);
  return [
    table([...stretches, sum], columns),
    `Failures, by what was asked and answered: ${codes.join(", ") || "none"}`,
  ];
}

function seconds(milliseconds: number | null): string | null {
  return milliseconds === null ? null : `${(milliseconds / 1000).toFixed(1)} s`;
}
