import { z } from "zod";
import { takesAnyKey, type VenueCall } from "../adapter.ts";
import type { Mode } from "../exchanges/exchange.ts";
import { unknownPermissions } from "../exchanges/permissions.ts";
import { unknownMeaning } from "../interpret.ts";
import { nonceSpent, refusal, type Speaker, unproven } from "../outcomes.ts";
import type { HttpAnswer } from "../process/bounded-fetch.ts";
import type { Outcome, Verdict } from "../verdict.ts";
import { explainByClass, saidOf, wordsMeaning } from "./errors.ts";
import { openExchange } from "./exchange.ts";
import { operationPermit } from "./gate.ts";
import type { Exchange } from "./instance.ts";
import type { ExchangeFacts } from "./list.ts";
import { type Nonces, overtaking } from "./nonces.ts";

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
 * ccxt makes a balance of an error that it does not know, an empty one or one without amounts. So an answer
 * without an amount counts only if ccxt found a list of balances in it, and nothing in it may be an error.
 */
function judge(
  balance: unknown,
  last: HttpAnswer | undefined,
  reads: Readonly<{ hasContainer: boolean }>,
  speaker: Speaker,
): Verdict {
  if (last === undefined || !isJsonSuccess(last))
    return refusal(speaker, "unexpected_answer", { hint: noAmount });
  const valid: Verdict = { outcome: "valid", permissions: unknownPermissions, expiresAt: null, account: {} };
  if (amountsOf(balance).some((amount) => Number.isFinite(amount))) return valid;
  const standing = standingOf(JSON.parse(last.body));
  if (standing === "success" && reads.hasContainer) return valid;
  if (standing === "open") return { ...unproven(speaker, noAmount), form: shapeOf(last) };
  return refusal(speaker, "unexpected_answer", { hint: noAmount });
}

/** `{}` as well: it is the empty account where the answer is an object of currencies. */
function isJsonSuccess({ status, body }: HttpAnswer): boolean {
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
 * The form in which the venue refuses the key of this call, which it does not know; `takesAnyKey` where it
 * does not, and `null` where its answer is about something else.
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

// An answer to a signed read in which no amount stands: the balance of an empty account, or a refusal that
// ccxt does not know.

/**
 * From now on, notes what `exchange` reads of an answer after it has looked for errors in it. `hasContainer`:
 * it has read a list or an object, where an error would have none.
 */
function watchReads(exchange: Pick<Exchange, "parseJson" | "handleErrors">) {
  const reads = { hasContainer: false, looksForErrors: false };
  const { parseJson, handleErrors } = exchange;
  exchange.parseJson = (text) => watched(parseJson.call(exchange, text), reads);
  exchange.handleErrors = (...answer: unknown[]) => {
    reads.looksForErrors = true;
    try {
      return handleErrors.apply(exchange, answer);
    } finally {
      reads.looksForErrors = false;
    }
  };
  return reads;
}

function watched(value: unknown, reads: ReturnType<typeof watchReads>): unknown {
  if (typeof value !== "object" || value === null) return value;
  return new Proxy(value, {
    get(target, name, receiver) {
      const found: unknown = Reflect.get(target, name, receiver);
      const isPart = typeof found === "object" && found !== null;
      if (!reads.looksForErrors && (isPart || (Array.isArray(target) && name === "length"))) {
        reads.hasContainer = true;
      }
      return isPart ? watched(found, reads) : found;
    },
    ownKeys(target) {
      // A list is copied by its keys.
      if (!reads.looksForErrors && Array.isArray(target)) reads.hasContainer = true;
      return Reflect.ownKeys(target);
    },
  });
}

const errorNames = /^(?:errors?|err|err_?msg|error_?(?:message|description|text)|fault|exception)$/i;
const errorCodes = /^(?:err|error)[_-]?(?:code|no|num|id)$|^errno$/i;
const flags = /^(?:success|succeeded|is_?success|ok|result|status|state)$/i;
const codes = /^(?:code|ret_?code|return_?code|result_?code|status_?code|rc|ret)$/i;
const words = /^(?:message|msg|ret_?msg|reason|description|detail)$/i;

const successes: ReadonlySet<string> = new Set([
  "",
  "0",
  "00000",
  "0000",
  "200",
  "200000",
  "null",
  "none",
  "true",
  "ok",
  "success",
  "successful",
  "succeeded",
  "succ",
]);
const affirmations = /^(?:true|ok|success|successful|succeeded)$/i;
const failures =
  /^(?:false|no|nok|ko|err|error|errors|fail|failed|failure|denied|rejected|invalid|unauthori[sz]ed|forbidden)$/i;
const complaints =
  /\b(?:invalid|illegal|incorrect|wrong|bad|denied|unauthori[sz]ed|forbidden|refused|rejected|expired|revoked|disabled|frozen|locked|missing|required|unknown|mismatch|fail(?:ed|ure)?|errors?|not)\b/i;

/**
 * Reads what an answer without an amount says of itself, in the names and words that venues have for it: a
 * success, an error that ccxt does not know, or one of the two.
 */
function standingOf(json: unknown): "success" | "error" | "open" {
  if (Array.isArray(json)) return /^error$/i.test(String(json[0])) ? "error" : "success";
  if (typeof json !== "object" || json === null) return "error";
  if (Object.keys(json).length === 0) return "open";
  const parts = Object.entries(json);
  if (parts.some(([name, value]) => isComplaint(name, value))) return "error";
  const isNested = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  const inner = parts.flatMap(([, value]) => (isNested(value) ? Object.entries(value ?? {}) : []));
  if (inner.some(([name, value]) => isComplaint(name, value))) return "error";
  if (parts.some(([name, value]) => flags.test(name) && affirmations.test(String(value)))) return "success";
  const isUnknown = ([name, value]: [string, unknown]) =>
    (codes.test(name) || flags.test(name)) && isScalar(value) && !isSuccess(value);
  return parts.some(isUnknown) ? "open" : "success";
}

function isComplaint(name: string, value: unknown): boolean {
  if (errorNames.test(name)) return isScalar(value) ? !isSuccess(value) && value !== false : !isHollow(value);
  if (!isScalar(value)) return false;
  if (errorCodes.test(name)) return !isSuccess(value) && value !== false;
  if (flags.test(name)) return failures.test(String(value));
  return words.test(name) && complaints.test(String(value));
}

function isScalar(value: unknown): boolean {
  return typeof value !== "object" || value === null;
}

function isSuccess(value: unknown): boolean {
  return successes.has(textOf(value).trim().toLowerCase());
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "object" ? "" : JSON.stringify(value);
}

function isHollow(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/**
 * The form of an answer, without its values: two levels of names, and whether its status is one of success.
 */
function shapeOf({ status, body }: HttpAnswer): string {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return status < 400 ? "text" : "refused text";
  }
  return `${status < 400 ? "" : "refused "}${formOf(json, 2)}`.slice(0, 2000);
}

function formOf(value: unknown, depth: number): string {
  if (Array.isArray(value)) return "list";
  if (typeof value !== "object" || value === null) return typeof value;
  if (depth === 0) return "object";
  const parts = Object.entries(value).map(([name, part]) => `${name} ${formOf(part, depth - 1)}`);
  return `{${parts.toSorted().join(", ")}}`;
}
