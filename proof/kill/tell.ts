import { type Column, table } from "../../src/cli/output.ts";
import type { Row } from "./judge.ts";

const columns: readonly Column<Row>[] = [
  ["killed", ({ kind }) => kind],
  ["kills", ({ kills }) => kills],
  ["start killed too", ({ atStart }) => atStart],
  ["median until it answers", ({ median }) => seconds(median)],
  ["longest", ({ longest }) => seconds(longest)],
  ["venue processes", ({ venueProcesses }) => venueProcesses],
];

export function tellRows(rows: readonly Row[]): string {
  return table(rows, columns);
}

function seconds(length: number): string {
  return Number.isFinite(length) ? `${length.toFixed(1)} s` : "never";
}
