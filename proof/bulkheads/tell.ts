import { type Column, table } from "../../src/cli/output.ts";
import type { Row } from "./judge.ts";

const columns: readonly Column<Row>[] = [
  ["way", ({ way }) => way],
  ["defence", ({ defence }) => defence],
  ["attacks", ({ attacks }) => attacks],
  ["calls", ({ calls }) => calls],
  ["failed", ({ failures }) => failures],
  ["stalls", ({ stalls }) => stalls],
  ["rounds missed", ({ roundsMissed }) => roundsMissed],
  ["p50", ({ p50Ms }) => milliseconds(p50Ms)],
  ["p99", ({ p99Ms }) => milliseconds(p99Ms)],
  ["max", ({ maxMs }) => milliseconds(maxMs)],
  ["slowest", ({ slowest }) => slowest],
  ["p99 to quiet", ({ ratio }) => (ratio === null ? null : `${ratio.toFixed(1)} ×`)],
];

/** A row for each run, then what the failures of the victim said. */
export function tellRows(rows: readonly Row[]): readonly string[] {
  const failed = rows.filter(({ codes }) => codes !== "");
  const lines = failed.map(({ way, defence, codes }) => `  ${way}, ${defence}: ${codes}`);
  return [table(rows, columns), lines.length === 0 ? "" : ["Failures of the victim", ...lines].join("\n")];
}

function milliseconds(value: number): string {
  return `${Math.round(value)} ms`;
}
