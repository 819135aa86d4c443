import type { Meaning, Said } from "./outcomes.ts";
import type { HttpAnswer } from "./process/bounded-fetch.ts";
import type { Cause } from "./verdict.ts";

/** A code that needs words. */
type Explained = Readonly<{ meaning: Meaning }> & Pick<Said, "hint" | "causes">;

/** A code that covers each of these causes. */
export function ambiguous(...causes: readonly Cause[]): Explained {
  return { meaning: "ambiguous", causes };
}

/** How a venue says no. */
export type Dialect = Readonly<{
  /** The venue's own error in an answer; `undefined` where the answer is no error. */
  error(json: unknown, status: number): Readonly<{ code: string; text?: string }> | undefined;
  codes: Readonly<Record<string, Meaning | Explained>>;
  /** Whether a success has the envelope that this venue puts around every answer, where it has one. */
  complete?(json: object): boolean;
  /** What a bare HTTP status means at this venue, where it differs from the general rule. */
  statuses?: Readonly<Record<number, Meaning | Explained>>;
}>;

export type Interpretation =
  | Readonly<{ kind: "success"; json: unknown }>
  | Readonly<{ kind: "known"; meaning: Meaning; said: Said }>
  /**
   * The venue answered with an error of its own that no table knows: it refused, and nothing more is certain.
   */
  | Readonly<{ kind: "refused"; said: Said }>;

/**
 * Reads one answer. The venue's own code decides first, then the HTTP status; an answer that is not JSON is
 * never a success.
 */
export function interpret(dialect: Dialect, answer: HttpAnswer): Interpretation {
  const json = parseJson(answer.body);
  const error = dialect.error(json, answer.status);
  const byCode = error === undefined ? undefined : entryOf(dialect, error.code);
  if (byCode !== undefined) return known(byCode, error);
  const byStatus = dialect.statuses?.[answer.status] ?? statusMeaning(answer.status);
  const said = error ?? bareStatus(answer);
  if (byStatus !== undefined) return known(byStatus, said);
  if (error !== undefined) return { kind: "refused", said: error };
  if (answer.status === 403) return known(forbiddenMeaning(said), said);
  const isSuccess = answer.status >= 200 && answer.status < 300 && typeof json === "object" && json !== null;
  if (isSuccess && (dialect.complete?.(json) ?? !isEmpty(json))) return { kind: "success", json };
  return known("unexpected_answer", said);
}

function known(entry: Meaning | Explained, said: Said = {}): Interpretation {
  const { meaning, ...words } = typeof entry === "string" ? { meaning: entry } : entry;
  return { kind: "known", meaning, said: { ...said, ...words } };
}

/** An answer without an error of the venue's own shape: a gateway's page, or a plain text. */
function bareStatus({ status, body }: HttpAnswer): Said {
  const text = status < 400 ? "" : wordsOf(body);
  return { code: `HTTP ${status}`, ...(text === "" ? {} : { text }) };
}

/**
 * A 403 before the venue's own code has run: the gateway refuses the region or the address. Bybit's gateway
 * uses it for a rate limit, too (bybit-exchange.github.io/docs/v5/rate-limit).
 */
function forbiddenMeaning({ text = "" }: Said): Meaning {
  return /too (?:many|frequent)|rate limit/i.test(text) ? "rate_limited" : "blocked";
}

/**
 * What an inspection makes of an error that no table knows. A region that is not served is said in words by
 * most venues.
 */
export function unknownMeaning({ text = "" }: Said): Meaning {
  return /\b(?:country|countries|region|jurisdiction|restricted location|sanctions)\b/i.test(text)
    ? "blocked"
    : "unexpected_answer";
}

/** A code is the venue's word, so it may also be the name of something that every object has. */
function entryOf({ codes }: Dialect, code: string): Meaning | Explained | undefined {
  return Object.hasOwn(codes, code) ? codes[code] : undefined;
}

/** `{}` is what a broken gateway says; no venue means anything by it. An empty list is an answer. */
function isEmpty(json: object): boolean {
  return !Array.isArray(json) && Object.keys(json).length === 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * 418 is how Binance bans an address that ignored its 429. A 401 refuses the authentication (RFC 9110,
 * section 15.5.2); a key, its secret, its rights, the address and the clock are all part of that.
 */
function statusMeaning(status: number): Meaning | undefined {
  if (status === 401) return "ambiguous";
  if (status === 429 || status === 418) return "rate_limited";
  if (status === 451) return "blocked";
  if (status === 408 || status >= 500) return "venue_unavailable";
  return undefined;
}

const longest = 200;
/** A page says what it has to say at its beginning. */
const pageBytes = 20_000;
/** No word of a language is longer; a key, a signature or a line of a PEM is. */
const longestWord = 40;

/**
 * What a venue says in an answer, for a person: the texts of its JSON without their names, or a page without
 * its markup; at most 200 characters. Sentences with a URL are left out, because gateways repeat the request
 * there, with its key and its signature.
 */
export function wordsOf(body: string): string {
  const words = textsOf(parsed(body)).flatMap(sentencesOf).join(" ").split(" ");
  let text = "";
  // Cut between words, so that what is to be taken out of a message can be found there whole.
  for (const word of words.filter(({ length }) => length <= longestWord)) {
    if (text.length + word.length >= longest) return `${text} …`;
    text = text === "" ? word : `${text} ${word}`;
  }
  return text;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return body.slice(0, pageBytes).replaceAll(/<(script|style)\b[^]*?<\/\1>|<[^>]*>/gi, " ");
  }
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

function sentencesOf(text: string): readonly string[] {
  const plain = text.replaceAll(/\s+/g, " ").trim();
  const isPlain = (sentence: string) => sentence !== "" && !/https?(?::|&#)|\S=\S/i.test(sentence);
  return plain.split(/(?<=[.!?])\s/).filter(isPlain);
}
