import { hash } from "node:crypto";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { LimitExceeded } from "./rate-limits.ts";
import { failureOf } from "./unauthenticated.ts";

const windowSeconds = 60;
const mostKnown = 50_000;

/**
 * Bounds how often one address has a token or an API key looked up that is none: each is work, and the first of them a query.
 * What was right once is remembered by its hash and passes, so that a caller with a valid token is not locked out
 * by others behind the same address. Counted by each process in memory.
 */
export class Strangers {
  readonly #quota: number;
  readonly #failures: RateLimiterMemory;
  readonly #known = new LRUCache<string, true>({ max: mostKnown });

  constructor(failuresPerMinute: number) {
    this.#quota = failuresPerMinute;
    this.#failures = new RateLimiterMemory({ points: failuresPerMinute, duration: windowSeconds });
  }

  /** Runs `authenticate` unless the address has used up its failures. Throws `LimitExceeded`, and what `authenticate` throws. */
  async admit<T>(
    authorization: string | undefined,
    address: string,
    authenticate: () => Promise<T>,
  ): Promise<T> {
    // Without a token nothing is looked up.
    if (authorization === undefined) return authenticate();
    const digest = hash("sha256", authorization, "base64");
    if (this.#known.has(digest)) return this.#again(digest, authenticate);
    const client = clientOf(address);
    await this.#take(client);
    try {
      const caller = await authenticate();
      this.#known.set(digest, true);
      await this.#failures.reward(client);
      return caller;
    } catch (error) {
      if (failureOf(error) === null) await this.#failures.reward(client);
      throw error;
    }
  }

  /** What does not hold any more is counted from the next time on. */
  async #again<T>(digest: string, authenticate: () => Promise<T>): Promise<T> {
    try {
      return await authenticate();
    } catch (error) {
      if (failureOf(error) !== null) this.#known.delete(digest);
      throw error;
    }
  }

  async #take(client: string): Promise<void> {
    try {
      await this.#failures.consume(client);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      const resetSeconds = Math.max(1, Math.ceil(refusal.msBeforeNext / 1000));
      throw new LimitExceeded({ limit: "failures", quota: this.#quota, remaining: 0, resetSeconds });
    }
  }
}

/**
 * What of an address stands for one client: the whole of an IPv4 address, and the first 64 bits of an IPv6 address, because a client that has
 * one of those has all that begin alike (RFC 6177).
 */
export function clientOf(address: string): string {
  if (!ipaddr.isValid(address)) return "unknown";
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6) return `${parsed.parts.slice(0, 4).join(":")}/64`;
  return parsed.toString();
}
