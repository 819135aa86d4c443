import { type Column, table } from "../../src/cli/output.ts";
import type { Row } from "./judge.ts";

const columns: readonly Column<Row>[] = [
  ["event", ({ type }) => type],
  ["happened", ({ events }) => events],
  ["messages", ({ messages }) => messages],
  ["came again", ({ again }) => again],
  ["lost", ({ lost }) => lost],
];

export function tellRows(rows: readonly Row[]): string {
  return table(rows, columns);
}
