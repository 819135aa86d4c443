import { hash } from "node:crypto";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { LimitExceeded } from "./rate-limits.ts";
import { failureOf } from "./unauthenticated.ts";

const windowSeconds = 60;
const mostKnown = 50_000;

/**
 * Limits how often one address can send an invalid token or API key, because each costs work, and the first
 * one a query. A valid one is remembered by its hash and passes, so that a caller with a valid token is not
 * locked out by others behind the same address. Each process counts in memory.
 */
export class Strangers {
  readonly #quota: number;
  readonly #failures: RateLimiterMemory;
  readonly #known = new LRUCache<string, true>({ max: mostKnown });

  constructor(failuresPerMinute: number) {
    this.#quota = failuresPerMinute;
    this.#failures = new RateLimiterMemory({ points: failuresPerMinute, duration: windowSeconds });
  }

  /**
   * Runs `authenticate` unless the address has used up its failures. Throws `LimitExceeded`, and what
   * `authenticate` throws.
   */
  async admit<T>(
    authorization: string | undefined,
    address: string,
    authenticate: () => Promise<T>,
  ): Promise<T> {
    // Without a token there is no look-up.
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

  /** A remembered token that has become invalid is counted from the next time on. */
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
 * The part of an address that identifies one client: a whole IPv4 address, and the first 64 bits of an IPv6
 * address, because a client has all addresses of such a network (RFC 6177).
 */
export function clientOf(address: string): string {
  if (!ipaddr.isValid(address)) return "unknown";
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6) return `${parsed.parts.slice(0, 4).join(":")}/64`;
  return parsed.toString();
}
