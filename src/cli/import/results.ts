import { CliError } from "../errors.ts";
import type { Column, Output } from "../output.ts";
import type { Venue } from "../venues.ts";
import type { Item } from "./source.ts";

/** What became of a key, in the words that people read. */
const outcomes = {
  imported: "imported",
  importable: "would be imported",
  present: "there already",
  skipped: "skipped",
  refused: "refused",
  unavailable: "to try again",
} as const;

/** Where it is not there in the end, `reason` is a sentence that says why. */
export type Settled = Readonly<{
  outcome: keyof typeof outcomes;
  credential_id?: string;
  reason?: string;
  /** Whether it is of this venue alone that it could not be asked about. */
  ofVenue?: boolean;
}>;

export type Result = Readonly<{
  exchange: string;
  venue: string | null;
  path: string;
  outcome: keyof typeof outcomes;
  credential_id: string | null;
  reason: string | null;
}>;

const columns: readonly Column<Result>[] = [
  ["exchange", ({ exchange }) => exchange],
  ["venue", ({ venue }) => venue],
  ["outcome", ({ outcome }) => outcomes[outcome]],
  ["credential", ({ credential_id }) => credential_id],
  ["reason", ({ reason }) => reason],
];

export function resultOf(
  { exchange, path }: Item,
  venue: Venue | undefined,
  { ofVenue: _ofVenue, ...settled }: Settled,
): Result {
  return { exchange, venue: venue?.id ?? null, path, credential_id: null, reason: null, ...settled };
}

/** How many of each outcome, those that did not occur left out. */
export function summaryOf(results: readonly Result[]): string {
  return Object.entries(outcomes)
    .flatMap(([outcome, words]) => {
      const count = results.filter((result) => result.outcome === outcome).length;
      return count === 0 ? [] : [`${count} ${words}`];
    })
    .join(", ");
}

export function show(output: Output, results: readonly Result[]): void {
  output.list({ items: results, next_cursor: null, count: results.length }, columns);
}

/**
 * Keyhold removes nothing from a source: the person who is responsible for it does, with these commands.
 * `results` are of `items`, in their order.
 */
export function noteRemoval(output: Output, items: readonly Item[], results: readonly Result[]): void {
  const noteEach = (outcome: Result["outcome"], text: string): void => {
    const removals = items.filter((_, at) => results[at]?.outcome === outcome).map(({ removal }) => removal);
    if (removals.length === 0) return;
    output.note(text);
    for (const removal of removals) output.note(`  ${removal}`);
  };
  noteEach(
    "imported",
    "What was imported is still there, too. Once you have seen that it works, remove it there:",
  );
  noteEach(
    "present",
    "An earlier run may have imported this, or it is another key. Compare the two before you remove it there:",
  );
}

/** Throws `CliError` when not all of them are there, or would be. */
export function assertAll(results: readonly Result[]): void {
  const away = results.filter(({ outcome }) => outcome === "unavailable").length;
  const missing =
    away + results.filter(({ outcome }) => outcome === "refused" || outcome === "skipped").length;
  if (missing === 0) return;
  throw new CliError(
    away > 0 ? "unavailable" : "refused",
    `${missing} of ${results.length} could not be imported`,
    { hint: "see the reasons, and run the same command again: what is there already stays as it is" },
  );
}
