import { describe, expect, test } from "vitest";
import { type Column, printable, table } from "../../../src/cli/output.ts";

type Row = Readonly<{ name: string; note?: string | null; active?: boolean; words?: readonly string[] }>;
const columns: readonly Column<Row>[] = [
  ["name", ({ name }) => name],
  ["note", ({ note }) => note],
  ["active", ({ active }) => active],
  ["words", ({ words }) => words],
];

describe("tables for people", () => {
  test("columns are as wide as their widest cell, and no line ends in spaces", () => {
    const rows = [
      { name: "Main", note: "x", active: true, words: ["read", "trade"] },
      { name: "A longer name", note: null, active: false, words: [] },
    ];
    expect(table(rows, columns)).toBe(
      [
        "NAME           NOTE  ACTIVE  WORDS",
        "Main           x     yes     read, trade",
        "A longer name  –     no      –",
      ].join("\n"),
    );
  });

  test("a letter of several code points takes one place", () => {
    const family = "👩‍👩‍👧";
    const lines = table(
      [{ name: family }, { name: "ab" }],
      [columns[0] ?? ["", () => ""], ["end", () => "|"]],
    );
    expect(lines.split("\n")).toEqual(["NAME  END", `${family}     |`, "ab    |"]);
  });
});

describe("text of other people", () => {
  test.for([
    ["an escape sequence that clears the screen", "\u001b[2J", "\\u001b[2J"],
    ["a carriage return that overwrites the line", "x\rsafe", "x\\u000dsafe"],
    ["a line feed that begins a row of its own", "x\nrow", "x\\u000arow"],
    ["a one-byte control sequence introducer", "\u009b31m", "\\u009b31m"],
    ["an override of the writing direction", "\u202Etxt", "\\u202etxt"],
    ["a separator of lines", "a\u2028b", "a\\u2028b"],
  ] as const)("cannot steer the terminal with %s", ([, text, shown]) => {
    expect(printable(text)).toBe(shown);
    expect(table([{ name: text }], columns)).toContain(shown);
  });

  test("is shown as it is otherwise, in any script", () => {
    expect(printable("Zürich – 東京 – עברית 🙂")).toBe("Zürich – 東京 – עברית 🙂");
  });
});
