import type { VenueCall } from "../adapter.ts";
import { type Dialect, interpret, wordsOf } from "../interpret.ts";
import { type Meaning, refusal, type Said } from "../outcomes.ts";
import { FetchFailure, type HttpAnswer, Withheld } from "../process/bounded-fetch.ts";
import type { Cause } from "../verdict.ts";

/** Whether a thrown value is of ccxt's error class `kind` or of one below it. */
export function isKind(error: unknown, kind: string): boolean {
  for (let it = error; typeof it === "object" && it !== null; it = Object.getPrototypeOf(it)) {
    if (Object.hasOwn(it, "constructor") && it.constructor.name === kind) return true;
  }
  return false;
}

/** They are tested in this order: a subclass stands before its parent. */
const meanings: readonly (readonly [kind: string, meaning: Meaning])[] = [
  ["PermissionDenied", "insufficient_permission"],
  ["AccountSuspended", "insufficient_permission"],
  ["AuthenticationError", "ambiguous"],
  ["RestrictedLocation", "blocked"],
  ["InvalidNonce", "nonce"],
  ["RateLimitExceeded", "rate_limited"],
  ["DDoSProtection", "rate_limited"],
  ["NetworkError", "venue_unavailable"],
  ["OperationFailed", "unexpected_answer"],
];

/** What an error class of ccxt means; `undefined` for a plain refusal such as insufficient funds. */
export function classMeaning(error: unknown): Meaning | undefined {
  const found = meanings.find(([kind]) => isKind(error, kind));
  if (found !== undefined) return found[1];
  return isKind(error, "ExchangeError") ? undefined : "unexpected_answer";
}

/**
 * The same by the venue's words as well. ccxt's AuthenticationError covers key, secret, address, permission
 * and time at one venue or another, and PermissionDenied an address; InvalidNonce is a nonce or a time. Words
 * that name one of them alone decide.
 */
function errorMeaning(error: unknown, words: string): ReturnType<typeof wordsMeaning> {
  const meaning = classMeaning(error);
  const named = causesIn(words);
  const isAddress = named.length === 1 && named[0] === "address";
  switch (meaning) {
    case "ambiguous":
      return authenticationMeaning(words, named);
    case "insufficient_permission":
      return isAddress ? { meaning: "ip_not_allowed" } : { meaning };
    case "nonce":
      return named.includes("clock") ? { meaning: "clock_skew" } : { meaning };
    default:
      return meaning && { meaning };
  }
}

const alone: Readonly<Partial<Record<Cause, Meaning>>> = {
  permission: "insufficient_permission",
  address: "ip_not_allowed",
  clock: "clock_skew",
};

/**
 * What a refused read of the account means that ccxt takes for a plain refusal; `undefined` where its words
 * name nothing that a credential needs. Words alone end no key.
 */
export function wordsMeaning(words: string): ReturnType<typeof authenticationMeaning> | undefined {
  const named = causesIn(words);
  if (named.length === 0) return namesKey(words) ? { meaning: "ambiguous" } : undefined;
  return authenticationMeaning(words, named);
}

/**
 * A key is named in nearly every refusal, so it decides only where nothing else is named, and where it is
 * called wrong. That it is not permitted or not enabled is another matter.
 */
function authenticationMeaning(
  words: string,
  named: readonly Cause[],
): Readonly<{ meaning: Meaning }> & Pick<Said, "causes"> {
  const [first, ...others] = named;
  if (others.length > 0) return { meaning: "ambiguous", causes: ["key", ...named] };
  if (first !== undefined) return { meaning: alone[first] ?? "ambiguous" };
  const text = separated(words);
  if (!namesKey(text) || /\bnonce\b/i.test(text)) return { meaning: "ambiguous" };
  if (/\bexpired\b/i.test(text)) return { meaning: "expired" };
  return { meaning: wrong.test(text) ? "bad_key" : "ambiguous" };
}

const wrong = /\b(?:invalid|incorrect|wrong|unknown|not found|no such|deleted|revoked)\b|(?:not|n't) exist/i;

const causeWords: readonly (readonly [cause: Cause, words: RegExp])[] = [
  ["secret", /\bsignature|\bsign(?:ed|ing)?\b|\bhmac\b|\bsecret\b/i],
  ["permission", /\bpermissions?\b|\bprivileges?\b|\bscopes?\b|\brights\b/i],
  ["address", /\bi ?ps?\b|\bwhite ?list|\ballow ?list/i],
  [
    "clock",
    /\btime ?stamp|\b(?:server|request|submission) time\b|\brecv ?window\b|\bclock\b|\brequest (?:has )?expired\b/i,
  ],
];

function namesKey(words: string): boolean {
  return /\b(?:(?:api|access) ?)?(?:key|credentials?)\b/i.test(separated(words));
}

function causesIn(words: string): readonly Cause[] {
  const text = separated(words);
  return causeWords.flatMap(([cause, pattern]) => (pattern.test(text) ? [cause] : []));
}

/** `no_authorization_ip`, `IPNotAllowed` and `invalidApiKey` in words. */
function separated(words: string): string {
  return words
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .replaceAll(/[_-]+/g, " ");
}

/** ccxt's words without the exchange id it puts before them. */
export function plainMessage(exchangeId: string, error: unknown): string {
  const message = isKind(error, "BaseError") && error instanceof Error ? error.message : "the request failed";
  return message.startsWith(`${exchangeId} `) ? message.slice(exchangeId.length + 1) : message;
}

/** An exchange whose codes are not in the table refuses by its HTTP statuses alone. */
export const httpDialect: Dialect = { error: () => undefined, codes: {} };

/**
 * What a thrown error means, by HTTP status and by ccxt's class; `undefined` for a plain refusal of the
 * operation. `last` is the answer it was thrown on; where there is none, the request could not even be made.
 */
export function explainByClass(
  id: string,
  call: VenueCall,
  error: unknown,
  last: HttpAnswer | undefined,
): ReturnType<typeof refusal> | undefined {
  if (error instanceof FetchFailure || error instanceof Withheld) throw error;
  const said = saidOf(id, error, last);
  if (last === undefined) {
    // ccxt complains of a missing credential with an AuthenticationError; a signer of a bad one with any
    // error.
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

/** The venue's own words, or ccxt's where it refused the request itself. */
export function saidOf(id: string, error: unknown, last: HttpAnswer | undefined): Readonly<{ text: string }> {
  const words = last === undefined ? "" : wordsOf(last.body);
  return { text: words === "" ? plainMessage(id, error) : words };
}
