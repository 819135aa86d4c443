import { createHash } from "node:crypto";

/**
 * The chain as an export shows it, one JSON object a line: the events of a link, exactly as they were hashed, then the link.
 *
 *     {"at":…,"detail":…,"event":…,"outcome":…,"seq":1}
 *     {"at":…,"detail":…,"event":…,"outcome":…,"seq":2}
 *     {"count":2,"hash":"…","link":1,"previous":"…","tenant":"…"}
 *
 * hash = SHA-256(tenant ‖ LF ‖ link ‖ LF ‖ previous in hex ‖ LF ‖ the event lines joined by LF), in UTF-8. No line holds a raw
 * line feed, so the concatenation is unambiguous. The first link follows the genesis hash of its tenant.
 */
export type Link = Readonly<{ count: number; hash: string; link: number; previous: string; tenant: string }>;

export type ChainEnd = Readonly<{ link: number; seq: number; hash: string }>;

/** An end that was noted down earlier: enough to notice that a chain was cut off before it. */
export type KnownEnd = Pick<ChainEnd, "link" | "hash">;

/** What verification found: where the chain ends, or the first line that does not hold and why. */
export type Verification =
  | Readonly<{ intact: true; tenant: string | null; links: number; events: number; end: ChainEnd | null }>
  | Readonly<{ intact: false; line: number; reason: string }>;

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

/**
 * Reads an export line by line and holds every link against the one before. Finds any edit, deletion, insertion or reordering;
 * a chain that was cut off at its end is found only against a chain end that is known from elsewhere (`expected`).
 */
export async function verifyChain(
  lines: AsyncIterable<string> | Iterable<string>,
  expected?: KnownEnd,
): Promise<Verification> {
  const walk = new ChainWalk();
  let line = 0;
  for await (const text of lines) {
    line += 1;
    const fault = walk.read(text);
    if (fault !== null) return { intact: false, line, reason: fault };
  }
  const fault = walk.finish(expected);
  if (fault !== null) return { intact: false, line, reason: fault };
  return { intact: true, tenant: walk.tenant, links: walk.links, events: walk.events, end: walk.end };
}

class ChainWalk {
  tenant: string | null = null;
  links = 0;
  events = 0;
  end: ChainEnd | null = null;
  readonly #seen = new Map<number, string>();
  #pending: string[] = [];

  /** `null`, or what is wrong with this line. */
  read(text: string): string | null {
    const value = parse(text);
    if (value === null) return "not a JSON object";
    if (isLink(value)) return this.#close(value, text);
    if (typeof value["seq"] !== "number" || typeof value["event"] !== "string")
      return "neither an event nor a link";
    const expected = this.events + this.#pending.length + 1;
    if (value["seq"] !== expected) return `event ${value["seq"]} stands where event ${expected} belongs`;
    this.#pending.push(text);
    return null;
  }

  finish(expected: KnownEnd | undefined): string | null {
    if (this.#pending.length > 0) return "the last events have no link";
    if (expected === undefined || this.#seen.get(expected.link) === expected.hash) return null;
    return this.links < expected.link
      ? `the chain ends at link ${this.links}, before the known link ${expected.link}`
      : `link ${expected.link} is not the one that is known`;
  }

  #close(link: Link, text: string): string | null {
    if (text !== formatLink(link)) return "a link that is not written as links are";
    const previous = this.end?.hash ?? genesis(link.tenant);
    if (this.tenant !== null && link.tenant !== this.tenant) return "a link of another tenant";
    if (link.link !== this.links + 1) return `link ${link.link} stands where link ${this.links + 1} belongs`;
    if (link.count === 0 || link.count !== this.#pending.length)
      return `link ${link.link} counts ${link.count} events`;
    if (link.previous !== previous) return `link ${link.link} does not follow the one before`;
    if (link.hash !== linkHash(link.tenant, link.link, previous, this.#pending)) {
      return `the events of link ${link.link} are not those that were recorded`;
    }
    this.tenant = link.tenant;
    this.links += 1;
    this.events += link.count;
    this.end = { link: link.link, seq: this.events, hash: link.hash };
    this.#seen.set(link.link, link.hash);
    this.#pending = [];
    return null;
  }
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
