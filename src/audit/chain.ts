import { createHash } from "node:crypto";

/**
 * The chain in an export, one JSON object a line: the events of a link, exactly as they were hashed, then the
 * link. The head follows the last link: the end of the chain according to the database.
 *
 *     {"at":…,"detail":…,"event":…,"outcome":…,"seq":1}
 *     {"at":…,"detail":…,"event":…,"outcome":…,"seq":2}
 *     {"count":2,"hash":"…","link":1,"previous":"…","tenant":"…"}
 *     {"head":{"at":"…","hash":"…","link":1,"seq":2,"tenant":"…"}}
 *
 * hash = SHA-256(tenant ‖ LF ‖ link ‖ LF ‖ previous in hex ‖ LF ‖ the event lines joined by LF), in UTF-8. No
 * line contains a raw line feed, so the concatenation is unambiguous. The first link follows the genesis hash
 * of its tenant.
 */
export type Link = Readonly<{ count: number; hash: string; link: number; previous: string; tenant: string }>;

/** `at` is the time of the link that it names. */
export type Head = Readonly<{ at: string; hash: string; link: number; seq: number; tenant: string }>;

export type ChainEnd = Readonly<{ link: number; seq: number; hash: string }>;

/**
 * What is known of the chain from elsewhere. The links up to an `end` that was noted earlier cannot have been
 * computed again since.
 */
export type Expected = Readonly<{ end?: Pick<ChainEnd, "link" | "hash">; tenant?: string }>;

/** A valid chain, and what was not proven. */
type Intact = Readonly<{
  intact: true;
  /** Whether the export reaches the end that the database named. */
  complete: boolean;
  tenant: string;
  links: number;
  events: number;
  end: ChainEnd;
  /** What was not checked, as a sentence each. */
  unchecked: readonly string[];
}>;

/** The hash before the first link of a tenant's chain, as 64 hexadecimal digits. */
export function genesis(tenant: string): string {
  return createHash("sha256").update(`keyhold audit chain v1 ${tenant}`).digest("hex");
}

export function linkHash(tenant: string, link: number, previous: string, events: readonly string[]): string {
  return createHash("sha256")
    .update(`${tenant}\n${link}\n${previous}\n${events.join("\n")}`)
    .digest("hex");
}

export function formatLink(link: Link): string {
  const { count, hash, link: number, previous, tenant } = link;
  return JSON.stringify({ count, hash, link: number, previous, tenant });
}

export function formatHead(head: Head): string {
  const { at, hash, link, seq, tenant } = head;
  return JSON.stringify({ head: { at, hash, link, seq, tenant } });
}

/**
 * Reads an export line by line and compares each link with the one before, and the last link with the head.
 * It finds an edit, a deletion, an insertion and another order, unless all following hashes were computed
 * again: the chain has no key, so only `expected.end` shows that. An export without a link is not intact.
 * Returns the first invalid line and the reason when the chain is not valid.
 */
export async function verifyChain(
  lines: AsyncIterable<string> | Iterable<string>,
  expected: Expected = {},
): Promise<Intact | Readonly<{ intact: false; line: number; reason: string }>> {
  const walk = new ChainWalk(expected);
  let line = 0;
  for await (const text of lines) {
    line += 1;
    const fault = walk.read(text);
    if (fault !== null) return { intact: false, line, reason: fault };
  }
  const found = walk.finish();
  return typeof found === "string" ? { intact: false, line: Math.max(line, 1), reason: found } : found;
}

/** The reason of an export without a link. */
export const nothingToVerify = "nothing to verify: the export holds no link";

class ChainWalk {
  readonly #expected: Expected;
  #tenant: string | null = null;
  #end: ChainEnd | null = null;
  #pending: string[] = [];
  /** The time of the last event. */
  #latest: unknown = null;
  #headSeen = false;

  constructor(expected: Expected) {
    this.#expected = expected;
  }

  /** `null`, or what is wrong with this line. */
  read(text: string): string | null {
    if (this.#headSeen) return "a line stands after the head, which is the last one of an export";
    const line = parseLine(text);
    switch (line?.kind) {
      case undefined:
        return "this is neither an event, a link nor a head as an export writes them";
      case "event":
        return this.#event(line, text);
      case "link":
        return this.#link(line.link);
      case "head":
        return this.#head(line.head);
    }
  }

  /** The result, or what is missing at the end. */
  finish(): Intact | string {
    const { end: known } = this.#expected;
    if (this.#pending.length > 0) return "the last events have no link";
    if (this.#tenant === null || this.#end === null) return nothingToVerify;
    if (known !== undefined && this.#end.link < known.link) {
      return `the chain ends at link ${this.#end.link}, before the known link ${known.link}`;
    }
    return {
      intact: true,
      complete: this.#headSeen,
      tenant: this.#tenant,
      links: this.#end.link,
      events: this.#end.seq,
      end: this.#end,
      unchecked: [...this.#perhapsRewritten(this.#end.link), this.#perhapsCut(this.#end.link)],
    };
  }

  #event({ seq, at }: Readonly<{ seq: number; at: unknown }>, text: string): string | null {
    const expected = (this.#end?.seq ?? 0) + this.#pending.length + 1;
    if (seq !== expected) return `event ${seq} stands where event ${expected} belongs`;
    this.#pending.push(text);
    this.#latest = at;
    return null;
  }

  #link({ link, count, hash, previous, tenant }: Link): string | null {
    const number = (this.#end?.link ?? 0) + 1;
    const before = this.#end?.hash ?? genesis(tenant);
    const fault = this.#tenantFault(tenant);
    if (fault !== null) return fault;
    if (link !== number) return `link ${link} stands where link ${number} belongs`;
    if (count === 0 || count !== this.#pending.length) return `link ${link} counts ${count} events`;
    if (previous !== before) return `link ${link} does not follow the one before`;
    if (hash !== linkHash(tenant, link, previous, this.#pending)) {
      return `the events of link ${link} are not those that were recorded`;
    }
    const { end: known } = this.#expected;
    if (link === known?.link && hash !== known.hash) return `link ${link} is not the one that is known`;
    this.#tenant = tenant;
    this.#end = { link, seq: (this.#end?.seq ?? 0) + count, hash };
    this.#pending = [];
    return null;
  }

  #head({ at, link, seq, hash, tenant }: Head): string | null {
    if (this.#pending.length > 0) return "the events before the head have no link";
    const fault = this.#tenantFault(tenant);
    if (fault !== null) return fault;
    const end = this.#end?.link ?? 0;
    if (end !== link)
      return `the chain ends at link ${end}, ${end < link ? "before" : "after"} its head, link ${link}`;
    if (this.#end !== null && (seq !== this.#end.seq || hash !== this.#end.hash || at !== this.#latest)) {
      return `link ${link} is not the one that the head names`;
    }
    this.#headSeen = true;
    return null;
  }

  #tenantFault(tenant: string): string | null {
    const { tenant: wanted } = this.#expected;
    if (wanted !== undefined && tenant !== wanted)
      return `this is the record of tenant ${tenant}, not of ${wanted}`;
    return this.#tenant === null || tenant === this.#tenant ? null : "this line is of another tenant";
  }

  #perhapsRewritten(last: number): readonly string[] {
    const known = this.#expected.end?.link ?? 0;
    if (known === last) return [];
    const from = known === 0 ? "" : ` after link ${known}`;
    return [
      `whether the chain was computed again${from}: it has no key, so the owner of the database's tables can do that (--end shows it, with an end that was noted before)`,
    ];
  }

  #perhapsCut(last: number): string {
    return this.#headSeen
      ? `whether links after link ${last} were removed together with the head`
      : `whether the chain goes on after link ${last}: the export has no head, because it was cut off or an earlier version made it`;
  }
}

/** A line of an export. */
type Line =
  | Readonly<{ kind: "event"; seq: number; at: unknown }>
  | Readonly<{ kind: "link"; link: Link }>
  | Readonly<{ kind: "head"; head: Head }>;

/**
 * Reads one line; `null` for anything else. Links and heads have one spelling: with any other a line is not
 * from an export.
 */
function parseLine(text: string): Line | null {
  const value = parse(text);
  if (value === null) return null;
  if (isLink(value)) return text === formatLink(value) ? { kind: "link", link: value } : null;
  const head = value["head"];
  if (isRecord(head)) return isHead(head) && text === formatHead(head) ? { kind: "head", head } : null;
  const { seq, event, at } = value;
  return typeof seq === "number" && typeof event === "string" ? { kind: "event", seq, at } : null;
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isLink(value: Record<string, unknown>): value is Record<string, unknown> & Link {
  return (
    typeof value["link"] === "number" &&
    typeof value["count"] === "number" &&
    typeof value["hash"] === "string" &&
    typeof value["previous"] === "string" &&
    typeof value["tenant"] === "string"
  );
}

function isHead(value: Record<string, unknown>): value is Record<string, unknown> & Head {
  return (
    typeof value["at"] === "string" &&
    typeof value["link"] === "number" &&
    typeof value["seq"] === "number" &&
    typeof value["hash"] === "string" &&
    typeof value["tenant"] === "string"
  );
}
