import { createHash } from "node:crypto";
import type { Outcome, Written } from "./events.ts";

/** A tenant that Keyhold knows, its owner's token, and its one account. */
export type Tenant = Readonly<{ token: string; accountId: string }>;

/** The two halves of a venue's key. */
export type Pair = Readonly<{ apiKey: string; apiSecret: string }>;

export function digestOf({ apiKey, apiSecret }: Pair): string {
  return createHash("sha256").update(`${apiKey}\n${apiSecret}`).digest("hex");
}

/** What is known from outside of one credential: which secrets were sent, by digest, and which were acknowledged. */
export class Kept {
  readonly tenant: Tenant;
  /** At the venue; all of its keys belong to it. */
  readonly account: string;
  #id = "";
  #revision = 0;
  readonly #sent: string[] = [];
  /** Numbers of secrets that came back. */
  readonly #seen = new Set<number>();
  /** By number of the secret, when it was acknowledged. */
  readonly #acknowledged = new Map<number, number>();

  constructor(tenant: Tenant, account: string) {
    this.tenant = tenant;
    this.account = account;
  }

  get id(): string {
    return this.#id;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Notes that a secret is about to be sent, and answers its number. */
  send(pair: Pair): number {
    return this.#sent.push(digestOf(pair)) - 1;
  }

  acknowledge(
    number: number,
    at: number,
    { id, revision }: Readonly<{ id: string; revision: number }>,
  ): void {
    this.#id = id;
    this.#revision = revision;
    this.#acknowledged.set(number, at);
  }

  /** The number of the oldest secret that a read which begins now may give: what was acknowledged or seen is never unwritten. */
  get floor(): number {
    return Math.max(-1, ...this.#seen, ...this.#acknowledged.keys());
  }

  /** What it means that a read which began at this floor gave this secret. */
  judge(digest: string, floor: number): Extract<Outcome, "ok" | "stale" | "foreign"> {
    const number = this.#sent.lastIndexOf(digest);
    if (number === -1) return "foreign";
    this.#seen.add(number);
    return number < floor ? "stale" : "ok";
  }

  /** The venue has accepted the newest secret from the service: it was kept, unseen by us. */
  proveUsed(): void {
    this.#seen.add(this.#newest);
  }

  /** When each write was acknowledged, and whether it is lost, where this secret is read at the end, or none. */
  settle(read: string | null): readonly Written[] {
    const number = read === null ? -1 : this.#sent.lastIndexOf(read);
    return [...this.#acknowledged].map(([write, at]) => ({
      at,
      // What was replaced cannot be asked for any more: it must have come back before.
      lost: write === this.#newest ? number < write : !this.#seen.has(write),
    }));
  }

  get #newest(): number {
    return Math.max(-1, ...this.#acknowledged.keys());
  }
}
