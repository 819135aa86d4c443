import { LRUCache } from "lru-cache";
import type { Pool } from "pg";
import { RateLimiterPostgres } from "rate-limiter-flexible";
import type { StoredLimits } from "../db/stored-json.ts";
import { KeyholdError } from "../errors.ts";
import type { Member } from "./principal.ts";

/**
 * `requests` are management requests, without invokes and reveals. `refusals` are refused invokes and
 * reveals.
 */
export type Limit = "requests" | "reveals" | "invokes" | "refusals";

/** The state of a rate limit for the caller, for the RateLimit headers. */
export type LimitState = Readonly<{
  limit: Limit | "failures";
  quota: number;
  remaining: number;
  resetSeconds: number;
}>;

type Lease = {
  readonly quota: number;
  /** When the window ends, in milliseconds since 1970. */
  readonly endsAt: number;
  /** The rest of the limit when this lease was taken. */
  readonly unleased: number;
  left: number;
};

const windowSeconds = 60;
const mostLeases = 50_000;

const granted: Readonly<Record<Limit, keyof StoredLimits>> = {
  requests: "requests_per_minute",
  reveals: "reveals_per_minute",
  invokes: "invokes_per_minute",
  refusals: "requests_per_minute",
};

/**
 * Rate limits across processes, per minute: management requests of a tenant, reveals of a member, invokes of
 * a credential. The tokens and API keys of a member count together, so that more keys give no more. A member
 * may have as many refused invokes and reveals as the tenant has requests: without that limit, made-up ids
 * could be tried without end.
 *
 * A process does not count each request in the database. It leases a tenth of the limit at a time and spends
 * that from memory, so that about ten small writes a minute and process are enough for any number of
 * requests. The database sums up the leases and cuts the last one to the rest, so processes together never
 * exceed the limit in a window. They may stay below it, because each other process may not spend its whole
 * lease, which is less than a tenth of the limit, before the window ends. A lease ends with its window.
 */
export class RateLimits {
  readonly #counter: RateLimiterPostgres;
  readonly #defaults: Readonly<Record<Limit, number>>;
  /** By holder: a tenant, a member, or a credential of a tenant. */
  readonly #leases: Readonly<Record<Limit, LRUCache<string, Lease>>> = {
    requests: new LRUCache({ max: mostLeases }),
    reveals: new LRUCache({ max: mostLeases }),
    invokes: new LRUCache({ max: mostLeases }),
    refusals: new LRUCache({ max: mostLeases }),
  };
  readonly #leasing = new Map<string, Promise<Lease>>();

  constructor(pool: Pool, defaults: Readonly<Record<Exclude<Limit, "refusals">, number>>) {
    this.#defaults = { ...defaults, refusals: defaults.requests };
    this.#counter = new RateLimiterPostgres({
      storeClient: pool,
      storeType: "pool",
      tableName: "rate_limits",
      tableCreated: true,
      keyPrefix: "",
      duration: windowSeconds,
      // This class decides what may be leased, because that differs by tenant.
      points: Number.MAX_SAFE_INTEGER,
    });
  }

  /** Throws `LimitExceeded`, or `not_ready` without an answer of the database. */
  async take(limit: Limit, member: Member, credentialId: string | null = null): Promise<LimitState> {
    const quota = member.limits[granted[limit]] ?? this.#defaults[limit];
    const holder = holderOf(limit, member, credentialId);
    for (;;) {
      const lease = this.#current(limit, holder, quota) ?? (await this.#lease(limit, member, holder, quota));
      if (lease.left > 0) {
        lease.left -= 1;
        return stateOf(limit, lease);
      }
      if (lease.unleased === 0 && lease.endsAt > Date.now()) throw new LimitExceeded(stateOf(limit, lease));
    }
  }

  /** Throws `LimitExceeded` if the limit is known to be used up. Counts nothing. */
  assertLeft(limit: Limit, member: Member): void {
    const quota = member.limits[granted[limit]] ?? this.#defaults[limit];
    const lease = this.#current(limit, holderOf(limit, member, null), quota);
    if (lease !== undefined && lease.left === 0) throw new LimitExceeded(stateOf(limit, lease));
  }

  /**
   * Counts a refusal for the member and not for the credential, so that a member who may not use a credential
   * takes nothing from those who may.
   */
  async refuse(limit: Limit, member: Member, credentialId: string | null): Promise<void> {
    const lease = this.#leases[limit].get(holderOf(limit, member, credentialId));
    if (lease !== undefined && lease.endsAt > Date.now()) lease.left += 1;
    await this.take("refusals", member);
  }

  /** A lease that can be spent, or one without a rest to lease. */
  #current(limit: Limit, holder: string, quota: number): Lease | undefined {
    const lease = this.#leases[limit].get(holder);
    if (lease === undefined || lease.quota !== quota || lease.endsAt <= Date.now()) return undefined;
    return lease.left > 0 || lease.unleased === 0 ? lease : undefined;
  }

  /** Requests that arrive meanwhile wait for the same lease. */
  async #lease(limit: Limit, { tenantId }: Member, holder: string, quota: number): Promise<Lease> {
    const key = limit === "requests" ? `requests:${tenantId}` : `${limit}:${tenantId}:${holder}`;
    const running = this.#leasing.get(key);
    if (running !== undefined) return running;
    const started = this.#ask(key, quota)
      .then((lease) => {
        this.#leases[limit].set(holder, lease);
        return lease;
      })
      .finally(() => this.#leasing.delete(key));
    this.#leasing.set(key, started);
    return started;
  }

  async #ask(key: string, quota: number): Promise<Lease> {
    const block = Math.max(1, Math.floor(quota / 10));
    try {
      const { consumedPoints, msBeforeNext } = await this.#counter.consume(key, block);
      const before = consumedPoints - block;
      const left = Math.max(0, Math.min(block, quota - before));
      return {
        quota,
        left,
        unleased: Math.max(0, quota - consumedPoints),
        endsAt: Date.now() + msBeforeNext,
      };
    } catch (error) {
      throw new KeyholdError("not_ready", "The request cannot be counted now. Try again in a moment.", {
        cause: error,
      });
    }
  }
}

function holderOf(limit: Limit, { tenantId, memberId }: Member, credentialId: string | null): string {
  if (limit === "requests") return tenantId;
  return limit === "invokes" && credentialId !== null ? `${tenantId}:${credentialId}` : memberId;
}

function stateOf(limit: Limit, { quota, left, unleased, endsAt }: Lease): LimitState {
  const resetSeconds = Math.max(1, Math.ceil((endsAt - Date.now()) / 1000));
  return { limit, quota, remaining: left + unleased, resetSeconds };
}

const counted: Readonly<Record<LimitState["limit"], string>> = {
  requests: "management requests of a tenant",
  reveals: "reveals of a member",
  invokes: "invokes of a credential",
  refusals: "refused invokes and reveals of a member",
  failures: "requests without a valid token from one address",
};

/** The error for a used up rate limit, with its state for the headers of the answer. */
export class LimitExceeded extends KeyholdError {
  readonly state: LimitState;

  constructor(state: LimitState) {
    const { limit, quota, resetSeconds } = state;
    super(
      "rate_limited",
      `The rate limit is ${quota} ${counted[limit]} a minute. Try again in ${resetSeconds} seconds.`,
      {
        facts: { limit, quota, reset_seconds: resetSeconds },
      },
    );
    this.state = state;
  }
}
