import { all, answerOf, type Client, type NewCredential } from "@keyhold/client";
import { problemOf } from "../../venues/traits.ts";
import { fieldNames } from "../../venues/venue.ts";
import type { Cli } from "../cli.ts";
import { CliError } from "../errors.ts";
import { fitFields, type Naming, type SecretValues } from "../fields.ts";
import { explain } from "../service.ts";
import { type Progress, showProgress } from "../terminal.ts";
import { type Venue, venueNamed } from "../venues.ts";
import { assertAll, noteRemoval, type Result, resultOf, type Settled, show, summaryOf } from "./results.ts";
import type { Item, Source } from "./source.ts";

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
export async function importAll(cli: Cli, source: Source, plan: Plan): Promise<void> {
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

async function settleAll(work: Work, bar: Progress): Promise<readonly Result[]> {
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
