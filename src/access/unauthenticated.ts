import { hash } from "node:crypto";
import ipaddr from "ipaddr.js";
import { LRUCache } from "lru-cache";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { KeyholdError } from "../errors.ts";
import { LimitExceeded } from "./rate-limits.ts";

/** Why a caller was refused, for logs and metrics. The caller always gets the same answer. */
export type AuthenticationFailure =
  | "missing"
  | "malformed"
  | "issuer"
  | "keys"
  | "signature"
  | "expired"
  | "claims"
  | "tenant"
  | "membership"
  | "api_key";

class AuthenticationError extends Error {
  override readonly name = "AuthenticationError";
  readonly code: AuthenticationFailure;
  readonly detail: string | null;

  constructor(code: AuthenticationFailure, cause: unknown, detail: string | null) {
    super(code, { cause });
    this.code = code;
    this.detail = detail;
  }
}

/**
 * One answer for all refused callers, because a reason would help to guess a valid token. `detail` is for the
 * log of the operator and contains nothing that the caller chose.
 */
export function unauthenticated(
  reason: AuthenticationFailure,
  { cause, detail = null }: Readonly<{ cause?: unknown; detail?: string | null }> = {},
): KeyholdError {
  return new KeyholdError(
    "unauthenticated",
    "Send `Authorization: Bearer` with a valid token or API key of an active member.",
    { cause: new AuthenticationError(reason, cause, detail) },
  );
}

/** The reason inside an error that `unauthenticated` made; `null` for any other. */
export function failureOf(error: unknown): AuthenticationFailure | null {
  if (!(error instanceof KeyholdError)) return null;
  return error.cause instanceof AuthenticationError ? error.cause.code : null;
}

/** The reason with its detail, for a line of the log. */
export function explainFailure(error: unknown): string | null {
  if (!(error instanceof KeyholdError) || !(error.cause instanceof AuthenticationError)) return null;
  const { code, detail } = error.cause;
  return detail === null ? code : `${code}: ${detail}`;
}

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
