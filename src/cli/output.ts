import { type Page, KeyholdProblem } from "@keyhold/client";
import type { Terminal } from "./terminal.ts";

/** A heading, and the cell below it. */
export type Column<T> = readonly [heading: string, cell: (row: T) => Cell];
type Cell = string | number | boolean | null | readonly string[] | undefined;

/** How results reach `output`: aligned text for people, or with `--json` what the service answered. */
export type Output = Readonly<{
  list<T>(page: Page<T>, columns: readonly Column<T>[]): void;
  one<T>(value: T, columns: readonly Column<T>[]): void;
  /** A short result without a heading, such as a token. */
  text(text: string, json: object): void;
  /** What a venue answered: always JSON, and with `--json` what the service says around it. */
  result(whole: object, part: unknown): void;
  /** What programs read, and people learn in another way. */
  data(value: object): void;
  /** A word to the person on `notes`, which programs do not read. */
  note(text: string): void;
}>;

export function createOutput(terminal: Terminal, asJson: () => boolean): Output {
  const write = (text: string): void => void terminal.output.write(`${text}\n`);
  const note = (text: string): void => void terminal.notes.write(`${printable(text)}\n`);
  // In JSON such characters stand inside texts only, where their escape means the same.
  const writeJson = (value: unknown): void =>
    write(JSON.stringify(value, null, 2).split("\n").map(printable).join("\n"));
  return {
    list(page, columns) {
      if (asJson()) return writeJson(page);
      write(readable(() => (page.items.length === 0 ? "none" : table(page.items, columns))));
      if (page.next_cursor !== null) note(`more: add --cursor ${page.next_cursor}`);
    },
    one(value, columns) {
      if (asJson()) return writeJson(value);
      write(readable(() => alignRows(columns.map(([heading, cell]) => [heading, textOf(cell(value))]))));
    },
    text: (text, json) => (asJson() ? writeJson(json) : write(printable(text))),
    result: (whole, part) => writeJson(asJson() ? whole : part),
    data(value) {
      if (asJson()) writeJson(value);
    },
    note,
  };
}

/**
 * Another program, or another version, may have answered in the place of the service: then something is
 * missing.
 */
function readable(render: () => string): string {
  try {
    return render();
  } catch (error) {
    if (error instanceof TypeError) throw new KeyholdProblem(new Response(), {});
    throw error;
  }
}

/** Headings in capitals, a row each below, columns two spaces apart. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const headings = columns.map(([heading]) => heading.toUpperCase());
  return alignRows([headings, ...rows.map((row) => columns.map(([, cell]) => textOf(cell(row))))]);
}

function alignRows(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, widthOf(cell));
  }
  return rows
    .map((row) => row.map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - widthOf(cell))).join("  "))
    .map((line) => line.trimEnd())
    .join("\n");
}

function textOf(cell: Cell): string {
  if (cell === null || cell === undefined || cell === "") return "–";
  if (typeof cell === "boolean") return cell ? "yes" : "no";
  if (typeof cell === "object") return cell.length === 0 ? "–" : printable(cell.join(", "));
  return printable(String(cell));
}

/** Characters as people count them. */
function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return [...new Intl.Segmenter().segment(text)].length;
}

/**
 * Names and messages come from other people and from venues. A control character among them could rewrite
 * what the terminal shows, so each is written as an escape; direction marks, which reorder a line, as well.
 */
export function printable(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu,
    (mark) => `\\u${(mark.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
