import { formatMachine, type Machine } from "../testkit/machine.ts";
import { type Control, fired, held, type Promised, type Report, succeeded } from "./proof.ts";

/** The report for people. */
export function formatReport(report: Report, machine: Machine): string {
  const { title, facts, tables, promises, controls } = report;
  const parts = [
    [title, ...facts.map((fact) => `  ${fact}`), `  ${formatMachine(machine).trimEnd()}`].join("\n"),
    ...tables,
    section("What is promised", promises.map(tellPromise)),
    section("The same with builds that are wrong on purpose", controls.map(tellControl)),
    succeeded(report) ? "proven" : "NOT proven",
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** The same for programs. */
export function toJson(report: Report, machine: Machine): string {
  const { title, promises, controls, data } = report;
  const proven = succeeded(report);
  return `${JSON.stringify({ machine, title, proven, promises, controls, ...data }, null, 2)}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : [title, ...lines.map((line) => `  ${line}`)].join("\n");
}

function tellPromise(promise: Promised): string {
  const { text, tried, broken } = promise;
  const count = `${broken} of ${tried.toLocaleString("en")}`.padStart(14);
  return `${held(promise) ? "kept  " : "BROKEN"}  ${count}  ${text}`;
}

function tellControl(control: Control): string {
  const { build, promise } = control;
  const { text, tried, broken } = promise;
  const found = `${broken} of ${tried.toLocaleString("en")} ${text}`;
  return fired(control)
    ? `control: failed as it must: ${found} (a service that ${build})`
    : `control: NOTHING FOUND: ${found}, although the service ${build}`;
}
