import { type Command, InvalidArgumentError } from "commander";
import { nearNames } from "../near-names.ts";
import { CliError } from "./errors.ts";

/**
 * For an option that may be given several times, each time with one value or several and commas between them.
 */
export function collect(value: string, earlier: readonly string[] = []): string[] {
  const values = value.split(",").map((part) => part.trim());
  return [...earlier, ...values.filter((part) => part !== "")];
}

/** For an option or argument that is one of these words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word !== undefined) return word;
    const near = nearNames(text, words);
    throw new InvalidArgumentError(
      near.length === 0 ? `Give one of ${words.join(", ")}.` : `Did you mean ${near.join(" or ")}?`,
    );
  };
}

/** For an option that is several of these words, given as `collect` takes them. */
export function severalOf<T extends string>(
  words: readonly T[],
): (text: string, earlier?: readonly T[]) => T[] {
  return (text, earlier = []) => [...earlier, ...collect(text).map(oneOf(words))];
}

/** For an option or argument that is a number; `what` says of what, such as `whole seconds`. */
export function wholeNumber(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Give ${what}, ${least} to ${most}.`);
  };
}

const hour = 3_600_000;
const spans: Readonly<Record<string, number>> = { d: 24 * hour, h: hour, m: hour / 60 };

/** For an option that is a time in the future: a time (RFC 3339), a date, or a span from now. */
export function parseExpiry(text: string): string {
  return timeOf(text, 1);
}

/** For an option that is a time in the past: a time (RFC 3339), a date, or a span before now. */
export function parsePast(text: string): string {
  return timeOf(text, -1);
}

function timeOf(text: string, direction: 1 | -1): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `${text}T00:00:00Z`;
  const { count, unit = "" } = /^(?<count>\d{1,4})(?<unit>[dhm])$/.exec(text)?.groups ?? {};
  if (count !== undefined)
    return new Date(Date.now() + direction * Number(count) * (spans[unit] ?? 0)).toISOString();
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return text;
  throw new InvalidArgumentError(
    "Give a time such as 2026-12-31T10:00:00Z, a date such as 2026-12-31, or a span such as 30d, 12h or 45m.",
  );
}

/** Where a page of a list begins and how long it is. */
export type PageOptions = Readonly<{ limit?: number; cursor?: string; all?: true }>;

export function pageOptions(command: Command): Command {
  contradicting(command, "all", "limit");
  contradicting(command, "all", "cursor");
  return command
    .option("--limit <number>", "how many to show", wholeNumber("a whole number", 1, 200))
    .option("--cursor <cursor>", "go on where an earlier page ended")
    .option("--all", "show all of them, page after page");
}

export function yesOption(command: Command): Command {
  return command.option("--yes", "do not ask; needed where there is no terminal");
}

/**
 * Refuses two options of which each undoes the other. Of an option and its negation commander takes the last
 * one.
 */
export function contradicting(command: Command, one: string, other: string): Command {
  const given = new Set<string>();
  for (const name of [one, other]) {
    command.on(`option:${name}`, () => {
      given.add(name);
      if (given.size === 2) command.error(`error: --${one} and --${other} contradict each other`);
    });
  }
  return command;
}

type Given<T> = { [Name in keyof T]?: T[Name] & ({} | null) };

/** What was given of these values: those that are `undefined` are left out, as a request leaves them out. */
export function given<T extends object>(values: T): Given<T> {
  const kept: Given<T> = {};
  for (const name in values) {
    const value = values[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}

/** Throws `CliError` for an update that changes nothing. */
export function assertChange(update: object): void {
  if (Object.keys(update).length > 0) return;
  throw new CliError("usage", "no option says what to change", { hint: "`--help` lists the options" });
}

/** What a key or token is narrowed to. */
export type NarrowingOptions = Readonly<{ credential?: string[]; account?: string[]; network?: string[] }>;

export function narrowingOptions(command: Command): Command {
  return command
    .option(
      "--credential <credentials>",
      "it reaches these, and those of --account, and nothing else",
      collect,
    )
    .option("--account <accounts>", "it reaches the credentials of these accounts", collect)
    .option("--network <networks>", "from where it may be used, such as 10.20.0.0/16", collect);
}

/** The same under the names of the API and of claims. */
export function narrowingOf({ credential, account, network }: NarrowingOptions) {
  return given({ credentials: credential, accounts: account, networks: network });
}
