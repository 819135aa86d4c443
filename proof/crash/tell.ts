import { type Column, table } from "../../src/cli/output.ts";
import type { Row } from "./judge.ts";

const columns: readonly Column<Row>[] = [
  ["killed at", ({ work }) => work],
  ["store", ({ store }) => store],
  ["points", ({ points }) => points],
  ["cut off", ({ cutOff }) => cutOff],
  ["old works", ({ old }) => old],
  ["new works", (row) => row.new],
  ["nothing there", ({ none }) => none],
  ["lost", ({ lost }) => lost],
  ["not one in force", ({ notOneInForce }) => notOneInForce],
  ["orphans before", ({ orphansBefore }) => orphansBefore],
  ["and after", ({ orphansAfter }) => orphansAfter],
];

export function tellRows(rows: readonly Row[]): string {
  return table(rows, columns);
}
