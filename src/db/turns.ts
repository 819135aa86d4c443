import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { KeyholdError } from "../errors.ts";

/**
 * Runs `work` while no other process runs work of the tenant under the same key, a digest of 32 bytes. Throws
 * `no_turn` when `work` was not begun.
 */
export type Turns = <T>(
  turn: Readonly<{ tenantId: string; key: Uint8Array }>,
  work: () => Promise<T>,
) => Promise<T>;

export type TurnOptions = Readonly<{
  /** Calls that wait at most: under one key, and of one tenant. `Infinity` switches a bound off. */
  waitingPerKey?: number;
  waitingPerTenant?: number;
  /** Milliseconds that a call waits at most. */
  patience?: number;
  /** Milliseconds after which the turn of a dead process passes to another. */
  leaseMs?: number;
}>;

type Waiter = Readonly<{ run: () => Promise<void>; refuse: (cause: unknown) => void }>;

/** How long a process gives a turn to its own calls before it checks whether another process wants it. */
const passOnMs = 1000;
const shortestPauseMs = 25;
const longestPauseMs = 500;

/**
 * Turns for calls whose nonces must rise. Calls wait in memory, in one line for each key, and only the first
 * of a line asks the database. No connection is held while a call waits or runs.
 */
export function createTurns(pool: Pool, options: TurnOptions = {}): Turns {
  const turns = new TurnLines(pool, options);
  return (turn, work) => turns.run(turn, work);
}

class TurnLines {
  readonly #rows: TurnRows;
  readonly #options: Required<TurnOptions>;
  /** By key: the waiting calls. A line exists while it is served. */
  readonly #lines = new Map<string, Waiter[]>();
  readonly #waitingOf = new Map<string, number>();

  constructor(pool: Pool, options: TurnOptions) {
    const { waitingPerKey = 16, waitingPerTenant = 64, patience = 30_000, leaseMs = 10_000 } = options;
    this.#options = { waitingPerKey, waitingPerTenant, patience, leaseMs };
    this.#rows = new TurnRows(pool, leaseMs);
  }

  run<T>(
    { tenantId, key }: Readonly<{ tenantId: string; key: Uint8Array }>,
    work: () => Promise<T>,
  ): Promise<T> {
    const name = Buffer.from(key).toString("hex");
    const line = this.#lines.get(name);
    const waiting = this.#waitingOf.get(tenantId) ?? 0;
    const { waitingPerKey, waitingPerTenant } = this.#options;
    if ((line?.length ?? 0) >= waitingPerKey || waiting >= waitingPerTenant) {
      return Promise.reject(noTurn());
    }
    const entered = line ?? [];
    const result = this.#enter(tenantId, entered, work);
    if (line === undefined) {
      this.#lines.set(name, entered);
      void this.#serve(key, entered, name);
    }
    return result;
  }

  #enter<T>(tenantId: string, line: Waiter[], work: () => Promise<T>): Promise<T> {
    this.#count(tenantId, 1);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        line.splice(line.indexOf(waiter), 1);
        waiter.refuse(undefined);
      }, this.#options.patience);
      const leave = (): void => {
        clearTimeout(late);
        this.#count(tenantId, -1);
      };
      const waiter: Waiter = {
        run: async () => {
          leave();
          try {
            resolve(await work());
          } catch (error) {
            reject(error);
          }
        },
        refuse: (cause) => {
          leave();
          reject(noTurn(cause));
        },
      };
      line.push(waiter);
    });
  }

  #count(tenantId: string, change: 1 | -1): void {
    const waiting = (this.#waitingOf.get(tenantId) ?? 0) + change;
    if (waiting > 0) this.#waitingOf.set(tenantId, waiting);
    else this.#waitingOf.delete(tenantId);
  }

  /** Serves the line until it is empty. Never throws. */
  async #serve(key: Uint8Array, line: Waiter[], name: string): Promise<void> {
    while (line.length > 0) {
      if (!(await this.#take(key, line))) continue;
      const renewing = setInterval(
        () => void this.#rows.renew(key).catch(() => undefined),
        this.#options.leaseMs / 3,
      );
      try {
        do await this.#passOn(line);
        while (line.length > 0 && (await this.#rows.keep(key).catch(() => false)));
      } finally {
        clearInterval(renewing);
      }
      // A turn that cannot be released ends with its lease.
      await this.#rows.release(key).catch(() => undefined);
      // The process that wants the turn asks after each of its pauses. The turn stays free for the longest of
      // them.
      if (line.length > 0) await sleep(longestPauseMs);
    }
    // In the same step as the check above, so that no call enters a line that is not served any more.
    this.#lines.delete(name);
  }

  /** Runs calls one after the other, without a statement between them. */
  async #passOn(line: Waiter[]): Promise<void> {
    const until = performance.now() + passOnMs;
    do await line.shift()?.run();
    while (line.length > 0 && performance.now() < until);
  }

  /** @returns whether the turn was taken; it is not when all waiting calls have left. */
  async #take(key: Uint8Array, line: Waiter[]): Promise<boolean> {
    for (let pause = shortestPauseMs; line.length > 0; pause = Math.min(2 * pause, longestPauseMs)) {
      try {
        if (await this.#rows.take(key)) return true;
      } catch (error) {
        line.shift()?.refuse(error);
      }
      if (line.length > 0) await sleep(pause);
    }
    return false;
  }
}

function noTurn(cause?: unknown): KeyholdError {
  return new KeyholdError(
    "no_turn",
    "The venue takes the calls of this key one after the other, and others are under way, so this one was not made. Send it again in a moment.",
    { facts: { retry_after_seconds: 5 }, ...(cause === undefined ? {} : { cause }) },
  );
}

/**
 * The turns of processes, one row for each key, by the clock of the database. Each method is a single
 * statement, so that it needs no particular connection.
 */
class TurnRows {
  readonly #pool: Pool;
  readonly #leaseMs: number;
  readonly #holder = randomUUID();

  constructor(pool: Pool, leaseMs: number) {
    this.#pool = pool;
    this.#leaseMs = leaseMs;
  }

  /**
   * Takes the turn of a key if it is free, otherwise notes that it is wanted.
   * @returns whether it was taken.
   */
  async take(key: Uint8Array): Promise<boolean> {
    const { rows } = await this.#pool.query<{ mine: boolean }>(
      `insert into turns as t (key, holder, leased_until) values ($1, $2, now() + $3 * interval '1 millisecond')
       on conflict (key) do update set
         holder = case when t.leased_until < now() then excluded.holder else t.holder end,
         leased_until = case when t.leased_until < now() or t.holder = excluded.holder
           then excluded.leased_until else t.leased_until end,
         wanted = t.leased_until >= now() and t.holder <> excluded.holder
       returning holder = $2 as mine`,
      [key, this.#holder, this.#leaseMs],
    );
    return rows[0]?.mine === true;
  }

  /** Extends the turn for a running call. */
  async renew(key: Uint8Array): Promise<void> {
    await this.#pool.query(
      "update turns set leased_until = now() + $3 * interval '1 millisecond' where key = $1 and holder = $2",
      [key, this.#holder, this.#leaseMs],
    );
  }

  /**
   * Keeps the turn for another call of this process, unless another process wants it.
   * @returns whether it was kept.
   */
  async keep(key: Uint8Array): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      `update turns set leased_until = now() + $3 * interval '1 millisecond'
       where key = $1 and holder = $2 and not wanted`,
      [key, this.#holder, this.#leaseMs],
    );
    return rowCount === 1;
  }

  async release(key: Uint8Array): Promise<void> {
    await this.#pool.query("delete from turns where key = $1 and holder = $2", [key, this.#holder]);
  }
}
