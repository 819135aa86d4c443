import { all, answerOf, type Client, type NewCredential } from "@keyhold/client";
import { problemOf } from "../../venues/traits.ts";
import { fieldNames } from "../../venues/venue.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../errors.ts";
import { fitFields, type Naming, type SecretValues } from "../fields.ts";
import type { Column, Output } from "../output.ts";
import { explain } from "../service.ts";
import { showProgress } from "../terminal.ts";
import { type Venue, venueNamed } from "../venues.ts";

/** One key of a source, which is where keys are today. It is read, and never changed. */
export type Item = Readonly<{
  /** What the source calls the venue. */
  exchange: string;
  /** Where it is, as people write it. */
  path: string;
  /** The command that removes it there. It is shown, and never run. */
  removal: string;
  /** Called once, right before the values are needed. */
  read(): Promise<Held>;
}>;

/** The values, under the names that the source has for them; or why they cannot be read, as a sentence. */
export type Held =
  | Readonly<{ outcome: "found"; values: Readonly<Record<string, unknown>> }>
  | Readonly<{ outcome: "skipped" | "refused" | "unavailable"; reason: string }>;

export type Plan = Readonly<{
  /** What is asked for every key alike. */
  registration: Omit<NewCredential, "venue" | "secret">;
  naming: Naming;
  /** Reads, and registers nothing. */
  dryRun: boolean;
}>;

type Work = Readonly<{
  api: Client;
  environment: Cli["environment"];
  plan: Plan;
  venues: readonly Venue[];
  /** Ids of credentials that are there already, by venue. */
  present: ReadonlyMap<string, string>;
  items: readonly Item[];
}>;

/**
 * So many failures in a row that are of no venue are of the service or the source; the other keys are then
 * left unread.
 */
const mostInARow = 3;

/**
 * Registers every key of a source, one after the other, and shows what became of each. What is there already
 * stays as it is and is not even read, so that the same command can be run again. Throws `CliError` unless
 * all of them are there in the end.
 */
export async function importAll(
  cli: Cli,
  source: Readonly<{ list(): Promise<readonly Item[]> }>,
  plan: Plan,
): Promise<void> {
  const api = await cli.api();
  const [{ items: venues }, present] = await Promise.all([
    answerOf(api.GET("/api/v1/venues")),
    findPresent(api, plan),
  ]);
  const items = await source.list();
  const work = { api, environment: cli.environment, plan, venues, present, items };
  const label = plan.dryRun ? "Comparing" : "Importing";
  const bar = showProgress(cli.terminal, label, items.length);
  const results = await settleAll(work, bar);
  bar.stop(summaryOf(results));
  show(cli.output, results);
  if (!plan.dryRun) noteRemoval(cli.output, items, results);
  assertAll(results);
}

/**
 * Those of the same account, environment and label. Throws `CliError` for an account that is not the
 * caller's.
 */
async function findPresent(api: Client, { registration }: Plan): Promise<Map<string, string>> {
  const { account_id, environment, label = "default" } = registration;
  const present = new Map<string, string>();
  const registered = all((page) => {
    const query = { account_id, environment, label, ...page };
    return answerOf(api.GET("/api/v1/credentials", { params: { query } }));
  });
  for await (const { venue, id, status } of registered) if (status !== "revoked") present.set(venue, id);
  return present;
}

async function settleAll(work: Work, bar: ReturnType<typeof showProgress>): Promise<readonly Result[]> {
  const results: Result[] = [];
  let failed = 0;
  for (const item of work.items) {
    const venue = venueNamed(work.venues, item.exchange);
    const settle = async (): Promise<Settled> => {
      if (venue === undefined) return skipped("Keyhold knows no venue of this name.");
      const known = judge(work, item, venue);
      if (known !== null) return known;
      const taken = failed < mostInARow ? await take(work, item, venue) : notTried;
      failed = taken.outcome === "unavailable" && taken.ofVenue !== true ? failed + 1 : 0;
      return taken;
    };
    results.push(resultOf(item, venue, await settle()));
    bar.advance();
  }
  return results;
}

/** What is known without the values; `null` when they are needed. */
function judge({ plan, venues, present, items }: Work, item: Item, venue: Venue): Settled | null {
  const rival = items.find((other) => other !== item && venueNamed(venues, other.exchange) === venue);
  if (rival !== undefined)
    return skipped(`${rival.exchange} is the same venue: name one with --exchange, each with its --label.`);
  const id = present.get(venue.id);
  if (id !== undefined) return { outcome: "present", credential_id: id };
  const { environment } = plan.registration;
  if (!venue.environments.includes(environment))
    return skipped(`${venue.name} has no ${environment} environment.`);
  return null;
}

function skipped(reason: string): Settled {
  return { outcome: "skipped", reason };
}

const notTried: Settled = {
  outcome: "unavailable",
  reason: "Not tried, after several that could not be asked about.",
};

/** From here to its end the plaintext is in this process, as texts: JSON has no other form for it. */
async function take({ api, environment, plan }: Work, item: Item, venue: Venue): Promise<Settled> {
  const held = await item.read();
  if (held.outcome !== "found") return held;
  const fitted = fitFields(venue, held.values, plan.naming);
  if ("problems" in fitted) return misfit(fitted.problems);
  if (plan.dryRun) {
    const problems = formProblems(venue, fitted.secret);
    return problems.length === 0 ? { outcome: "importable" } : misfit(problems);
  }
  const body = { venue: venue.id, ...plan.registration, secret: fitted.secret };
  return answerOf(api.POST("/api/v1/credentials", { body })).then(
    ({ id }) => ({ outcome: "imported", credential_id: id }),
    (error: unknown) => refusal(explain(error, environment)),
  );
}

function misfit(problems: readonly string[]): Settled {
  return { outcome: "refused", reason: `The fields do not fit: ${problems.join("; ")}.` };
}

/** What the service will object to before it asks the venue. */
function formProblems({ id }: Venue, secret: SecretValues): readonly string[] {
  return fieldNames.flatMap((field) => {
    const value = secret[field];
    const problem = value === undefined ? undefined : problemOf(id, field, Buffer.from(value));
    return problem === undefined ? [] : [`${field} ${problem}`];
  });
}

function refusal(error: unknown): Settled {
  if (!(error instanceof CliError)) throw error;
  // Another request has registered it in the meantime.
  if (error.code === "duplicate") return { outcome: "present" };
  const reason = error.detail ?? error.message;
  const ofVenue = error.code === "venue_unavailable";
  return { outcome: error.failure === "unavailable" ? "unavailable" : "refused", reason, ofVenue };
}

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
type Settled = Readonly<{
  outcome: keyof typeof outcomes;
  credential_id?: string;
  reason?: string;
  /** Whether it is of this venue alone that it could not be asked about. */
  ofVenue?: boolean;
}>;

type Result = Readonly<{
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

function resultOf(
  { exchange, path }: Item,
  venue: Venue | undefined,
  { ofVenue: _ofVenue, ...settled }: Settled,
): Result {
  return { exchange, venue: venue?.id ?? null, path, credential_id: null, reason: null, ...settled };
}

/** How many of each outcome, those that did not occur left out. */
function summaryOf(results: readonly Result[]): string {
  return Object.entries(outcomes)
    .flatMap(([outcome, words]) => {
      const count = results.filter((result) => result.outcome === outcome).length;
      return count === 0 ? [] : [`${count} ${words}`];
    })
    .join(", ");
}

function show(output: Output, results: readonly Result[]): void {
  output.list({ items: results, next_cursor: null, count: results.length }, columns);
}

/**
 * Keyhold removes nothing from a source: the person who is responsible for it does, with these commands.
 * `results` are of `items`, in their order.
 */
function noteRemoval(output: Output, items: readonly Item[], results: readonly Result[]): void {
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
function assertAll(results: readonly Result[]): void {
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
