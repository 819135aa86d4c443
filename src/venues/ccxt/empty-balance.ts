import type { HttpAnswer } from "../process/bounded-fetch.ts";
import type { Exchange } from "./instance.ts";

// An answer to a signed read in which no amount stands: the balance of an empty account, or a refusal that ccxt does not know.

/** Whether ccxt has read a list or an object out of the answer, where an error would have none. */
export type Reads = Readonly<{ hasContainer: boolean }>;

/** From now on, notes what `exchange` reads of an answer after it has looked for errors in it. */
export function watchReads(exchange: Pick<Exchange, "parseJson" | "handleErrors">): Reads {
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

type Noted = { hasContainer: boolean; looksForErrors: boolean };

function watched(value: unknown, reads: Noted): unknown {
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

/** What an answer without an amount is: a success, an error that ccxt does not know, or one of the two. */
export type Standing = "success" | "error" | "open";

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

/** Reads what an answer says of itself, in the names and words that venues have for it. */
export function standingOf(json: unknown): Standing {
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

/** The form of an answer, without its values: two levels of names, and whether its status is one of success. */
export function shapeOf({ status, body }: HttpAnswer): string {
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
