import type { ApiRequest } from "../ccxt/instance.ts";
import type { Said } from "../outcomes.ts";
import type { KeyManagement, KeyRefusalReason } from "../venue-keys.ts";
import type { Indefinite } from "../verdict.ts";

/**
 * Asks as one of the two keys and returns the JSON of a success, `null` where there is no body. Throws
 * `KeyProblem` and `FetchFailure`.
 */
export type KeySession = Readonly<{
  asParent(
    request: ApiRequest,
    particulars?: Readonly<{
      /** An empty object is a success too. */
      mayBeEmpty?: boolean;
      /** Signed is the query as it reads, sent is the query encoded for a URL; ccxt sends what it signs. */
      encodeQuery?: boolean;
    }>,
  ): Promise<unknown>;
  asCurrent(request: ApiRequest): Promise<unknown>;
}>;

/** A key as the venue lists it for the parent. */
export type ListedKey = Readonly<{
  apiKey: string;
  /** The note on it. */
  marker: string;
  /**
   * The part of a creation that gives a new key the same rights and addresses. Throws `KeyProblem` where the
   * API cannot give one of them: a key is never made with less or more than the current one has.
   */
  rights(): object;
}>;

/**
 * How one venue manages the keys of sub-accounts. Runs in venue processes; elsewhere only its facts are read.
 */
export type KeyIssuing = Pick<KeyManagement, "environments" | "longestMarker" | "settlesAfterMs"> &
  Readonly<{
    /** Whether a passphrase is chosen for each key, and of which characters. */
    passphrase?: "alphanumeric" | "special";
    /** What the venue's codes mean here, where its dialect does not say or says it otherwise. */
    codes?: Readonly<Record<string, KeyRefusalReason>>;
    /**
     * Codes for a bad key, a wrong address or a missing right alike. Said to a parent that was accepted a
     * moment ago, they mean the right.
     */
    blurredCodes?: readonly string[];
    /** The sub-account of the current key, as the calls below name it. */
    locate(session: KeySession): Promise<string>;
    /** All keys of the sub-account. */
    list(session: KeySession, account: string): Promise<readonly ListedKey[]>;
    create(
      session: KeySession,
      wanted: Readonly<{ account: string; like: ListedKey; marker: string; passphrase?: string }>,
    ): Promise<Readonly<{ apiKey: string; apiSecret: string }>>;
    /** Asks for the deletion; that the key is gone is then looked up in the list. */
    remove(
      session: KeySession,
      account: string,
      key: Readonly<{ apiKey: string; passphrase: string | undefined }>,
    ): Promise<void>;
  }>;

/** Ends a job: what is thrown becomes its answer. */
export class KeyProblem extends Error {
  override readonly name = "KeyProblem";
  readonly problem: KeyRefusalReason | Indefinite["outcome"];
  readonly said: Said;

  constructor(problem: KeyProblem["problem"], said: Said = {}) {
    super(problem);
    this.problem = problem;
    this.said = said;
  }
}

/** Throws `KeyProblem` for the first word that is not among those that a new key can be given. */
export function demandInheritable(words: readonly string[], givable: ReadonlySet<string>): void {
  const other = words.find((word) => !givable.has(word));
  if (other !== undefined) {
    throw new KeyProblem("not_inheritable", { hint: `It has ${JSON.stringify(other)}.` });
  }
}

const mostPages = 50;

/**
 * Reads a list to its end. Throws `RangeError` when it has no end, since what it hides may be what is looked
 * for.
 */
export async function allPages<Item, Cursor>(
  read: (
    cursor: Cursor | undefined,
  ) => Promise<Readonly<{ items: readonly Item[]; next: Cursor | undefined }>>,
): Promise<Item[]> {
  const all: Item[] = [];
  let cursor: Cursor | undefined;
  for (let page = 0; page < mostPages; page += 1) {
    const { items, next } = await read(cursor);
    all.push(...items);
    if (next === undefined) return all;
    cursor = next;
  }
  throw new RangeError("the venue's list has no end");
}
