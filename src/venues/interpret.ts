import type { HttpAnswer } from "./bounded-fetch.ts";
import type { Meaning, Said } from "./outcomes.ts";

/** A code that needs words. */
type Explained = Readonly<{ meaning: Meaning }> & Pick<Said, "hint" | "addresses">;

/** How a venue says no. */
export type Dialect = Readonly<{
  /** The venue's own error in an answer; `undefined` where the answer is no error. */
  error(json: unknown, status: number): Readonly<{ code: string; text?: string }> | undefined;
  codes: Readonly<Record<string, Meaning | Explained>>;
  /** Whether a success has the envelope that this venue puts around every answer, where it has one. */
  complete?(json: object): boolean;
  /** What a bare HTTP status means at this venue, where it differs from the general rule. */
  statuses?: Readonly<Record<number, Meaning>>;
}>;

export type Interpretation =
  | Readonly<{ kind: "success"; json: unknown }>
  | Readonly<{ kind: "known"; meaning: Meaning; said: Said }>
  /** The venue answered with an error of its own that no table knows: it refused, and nothing more is certain. */
  | Readonly<{ kind: "refused"; said: Said }>;

/**
 * Reads one answer. The venue's own code decides first, then the HTTP status; an answer that is not JSON is
 * never a success.
 */
export function interpret(dialect: Dialect, answer: HttpAnswer): Interpretation {
  const json = parseJson(answer.body);
  const error = dialect.error(json, answer.status);
  const known = error === undefined ? undefined : entryOf(dialect, error.code);
  if (known !== undefined) {
    const { meaning, ...words } = typeof known === "string" ? { meaning: known } : known;
    return { kind: "known", meaning, said: { ...error, ...words } };
  }
  const byStatus = dialect.statuses?.[answer.status] ?? statusMeaning(answer.status);
  const said = error ?? { code: `HTTP ${answer.status}` };
  if (byStatus !== undefined) return { kind: "known", meaning: byStatus, said };
  if (error !== undefined) return { kind: "refused", said: error };
  if (answer.status === 403) return { kind: "known", meaning: "blocked", said };
  const isSuccess = answer.status >= 200 && answer.status < 300 && typeof json === "object" && json !== null;
  if (isSuccess && (dialect.complete?.(json) ?? !isEmpty(json))) return { kind: "success", json };
  return { kind: "known", meaning: "unexpected_answer", said };
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

/** 418 is how Binance bans an address that ignored its 429. */
function statusMeaning(status: number): Meaning | undefined {
  if (status === 429 || status === 418) return "rate_limited";
  if (status === 451) return "blocked";
  if (status === 408 || status >= 500) return "venue_unavailable";
  return undefined;
}
