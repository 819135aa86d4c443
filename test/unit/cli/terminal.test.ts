import { describe, expect, test } from "vitest";
import { showProgress } from "../../../src/cli/terminal.ts";
import { collect } from "../../../testkit/cli.ts";

function shown(isTTY: boolean) {
  const notes = collect();
  const streams = { input: process.stdin, output: process.stdout };
  return { terminal: { ...streams, notes: Object.assign(notes.stream, { isTTY }) }, text: notes.text };
}

/** The lines as somebody sees them after each has been drawn over. */
const seen = (text: string): string[] =>
  text.split("\n").map((line) => line.split("\r\u001B[K").at(-1) ?? "");

describe("how far a long command has come", () => {
  test("is a line at every tenth where nobody watches, and the end once", () => {
    const { terminal, text } = shown(false);
    const progress = showProgress(terminal, "Moving", 40);
    for (let n = 0; n < 40; n += 1) progress.advance();
    progress.stop("Moving: 40 done");
    const lines = text().trimEnd().split("\n");
    expect(lines).toEqual([
      ...[4, 8, 12, 16, 20, 24, 28, 32, 36].map((done) => `Moving: ${done} of 40`),
      "Moving: 40 done",
    ]);
  });

  test.each([1, 3, 7])("is never more than a line for each where there are %i", (total) => {
    const { terminal, text } = shown(false);
    const progress = showProgress(terminal, "Moving", total);
    for (let n = 0; n < total; n += 1) progress.advance();
    progress.stop("end");
    expect(text().trimEnd().split("\n")).toHaveLength(total);
  });

  test("is one line that is drawn anew where somebody watches", () => {
    const { terminal, text } = shown(true);
    const progress = showProgress(terminal, "Moving", 3);
    progress.advance();
    progress.advance();
    expect(seen(text())).toEqual(["Moving: 2 of 3"]);
    progress.stop("Moving: 2 done");
    expect(seen(text())).toEqual(["Moving: 2 done", ""]);
  });

  test("leaves the keyboard and its signals to the command", () => {
    const heard = () => [
      ...(["SIGINT", "SIGTERM", "exit"] as const).map((event) => process.listenerCount(event)),
      ...["keypress", "data", "readable"].map((event) => process.stdin.listenerCount(event)),
    ];
    const before = heard();
    const progress = showProgress(shown(true).terminal, "Moving", 3);
    expect(heard()).toEqual(before);
    progress.stop("end");
  });
});
