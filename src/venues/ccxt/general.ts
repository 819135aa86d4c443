import { z } from "zod";
import type { VenueCall } from "../adapter.ts";
import { FetchFailure, type HttpAnswer } from "../process/bounded-fetch.ts";
import { type Dialect, interpret, unknownMeaning } from "../interpret.ts";
import { takesAnyKey } from "../known-refusals.ts";
import { nonceSpent, type Refusal, refusal, type Speaker, unproven } from "../outcomes.ts";
import type { Outcome, Verdict } from "../verdict.ts";
import { Withheld } from "../process/withheld.ts";
import { wordsOf } from "../words.ts";
import { type Reads, shapeOf, standingOf, watchReads } from "./empty-balance.ts";
import { errorMeaning, isKind, plainMessage, wordsMeaning } from "./errors.ts";
import { openExchange } from "./exchange.ts";
import type { ExchangeFacts } from "./list.ts";
import { type Nonces, overtaking } from "./nonces.ts";
import { operationPermit } from "./permits.ts";
import { unknownPermissions } from "../exchanges/permissions.ts";
import type { Mode } from "../exchanges/exchange.ts";

/** Of an exchange whose codes are not in the table: what its HTTP statuses say. */
export const httpDialect: Dialect = { error: () => undefined, codes: {} };

const noAmount = "The balance shows no amount, and may as well be an error.";

/**
 * Proves a key by reading the balance, the one authenticated read that all exchanges have. It is read without
 * market lists, so that it is one request at nearly all of them. ccxt's error classes decide.
 */
export async function inspectByBalance(facts: ExchangeFacts, mode: Mode, call: VenueCall): Promise<Verdict> {
  if (!facts.provable) {
    return unproven(call.speaker, "Keyhold can send no read here that is signed with it.");
  }
  const attempt = (nonces: Nonces) => readBalance(facts, mode, call, nonces);
  return overtaking<Verdict>(facts.id, call, attempt, () => nonceSpent(call.speaker));
}

async function readBalance(
  facts: ExchangeFacts,
  mode: Mode,
  call: VenueCall,
  nonces: Nonces,
): Promise<Verdict> {
  let last: HttpAnswer | undefined;
  const send: VenueCall["send"] = async (request) => (last = await call.send(request));
  try {
    const permit = await operationPermit(facts.id, { name: "fetchBalance", class: "read" });
    const exchange = await openExchange(facts.id, mode, { fields: call.fields, send, permit, nonces });
    exchange.setMarkets([]);
    const reads = watchReads(exchange);
    const balance = await exchange.fetchBalance();
    return judge(balance, last, reads, call.speaker);
  } catch (error) {
    const said = saidOf(facts.id, error, last);
    if (unknownMeaning(said) === "blocked") return refusal(call.speaker, "blocked", said);
    const named = wordsMeaning(said.text) ?? { meaning: "unexpected_answer" };
    const explained = explainByClass(facts.id, call, error, last);
    return explained ?? refusal(call.speaker, named.meaning, { ...named, ...said });
  }
}

/**
 * What a thrown error means, by HTTP status and by ccxt's class; `undefined` for a plain refusal of the operation.
 * `last` is the answer it was thrown on; where there is none, the request could not even be made.
 */
export function explainByClass(
  id: string,
  call: VenueCall,
  error: unknown,
  last: HttpAnswer | undefined,
): Refusal | undefined {
  if (error instanceof FetchFailure || error instanceof Withheld) throw error;
  const said = saidOf(id, error, last);
  if (last === undefined) {
    // ccxt complains of a missing credential with an AuthenticationError; a signer of a bad one with any error.
    const malformed = isKind(error, "AuthenticationError") || !isKind(error, "BaseError");
    return malformed ? refusal(call.speaker, "malformed", said) : undefined;
  }
  const reading = interpret(httpDialect, last);
  const byStatus = reading.kind === "known" ? reading.meaning : undefined;
  const byClass = errorMeaning(error, said.text);
  if (byClass === undefined) {
    // The venue said no in words that ccxt knows. Whether it did so for good, a server's error leaves open.
    const isOpen = byStatus === "venue_unavailable" || byStatus === "rate_limited";
    return isOpen ? refusal(call.speaker, byStatus, said) : undefined;
  }
  // ccxt calls a venue unavailable for a 400, 403 and 404 as well.
  const meaning = byClass.meaning === "venue_unavailable" ? (byStatus ?? byClass.meaning) : byClass.meaning;
  return refusal(call.speaker, meaning, { ...byClass, ...said });
}

/** In the venue's own words; ccxt's own where it refused the request itself. */
function saidOf(id: string, error: unknown, last: HttpAnswer | undefined): Readonly<{ text: string }> {
  const words = last === undefined ? "" : wordsOf(last.body);
  return { text: words === "" ? plainMessage(id, error) : words };
}

/**
 * ccxt makes a balance of an error that it does not know, an empty one or one without amounts. So an answer without an amount counts
 * only if ccxt found a list of balances in it, and nothing in it may be an error.
 */
function judge(balance: unknown, last: HttpAnswer | undefined, reads: Reads, speaker: Speaker): Verdict {
  if (last === undefined || !isSuccess(last))
    return refusal(speaker, "unexpected_answer", { hint: noAmount });
  const valid: Verdict = { outcome: "valid", permissions: unknownPermissions, expiresAt: null, account: {} };
  if (amountsOf(balance).some((amount) => Number.isFinite(amount))) return valid;
  const standing = standingOf(JSON.parse(last.body));
  if (standing === "success" && reads.hasContainer) return valid;
  if (standing === "open") return { ...unproven(speaker, noAmount), form: shapeOf(last) };
  return refusal(speaker, "unexpected_answer", { hint: noAmount });
}

/** `{}` as well: it is the empty account where the answer is an object of currencies. */
function isSuccess({ status, body }: HttpAnswer): boolean {
  return status >= 200 && status < 300 && /^\s*[[{]/.test(body) && isJson(body);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * The form in which the venue refuses the key of this call, which it does not know; `takesAnyKey` where it does not, and `null` where its
 * answer is about something else.
 */
export async function learnRefusal(
  facts: ExchangeFacts,
  mode: Mode,
  call: VenueCall,
): Promise<string | null> {
  let last: HttpAnswer | undefined;
  const send: VenueCall["send"] = async (request) => (last = await call.send(request));
  const { outcome } = await inspectByBalance(facts, mode, { ...call, send });
  if (outcome === "valid") return takesAnyKey;
  return last === undefined || besides.includes(outcome) ? null : shapeOf(last);
}

/** What a venue says before it has looked at a key. */
const besides: readonly Outcome[] = [
  "rate_limited",
  "venue_unavailable",
  "timeout",
  "blocked",
  "clock_skew",
  "nonce",
];

const balanceShape = z.looseObject({
  free: z.record(z.string(), z.unknown()),
  total: z.record(z.string(), z.unknown()),
});

function amountsOf(balance: unknown): unknown[] {
  const { data } = balanceShape.safeParse(balance);
  return data === undefined ? [] : [...Object.values(data.free), ...Object.values(data.total)];
}
