import { randomUUID } from "node:crypto";
import type { Pool } from "pg";

/**
 * The turns that processes have, one row a key, by the database's clock. Each call is a single statement, so that it matters to none
 * of them which connection it gets.
 */
export class TurnRows {
  readonly #pool: Pool;
  readonly #leaseMs: number;
  readonly #holder = randomUUID();

  constructor(pool: Pool, leaseMs: number) {
    this.#pool = pool;
    this.#leaseMs = leaseMs;
  }

  /** Takes the turn of a key that is free; otherwise notes that it is wanted. Answers whether it was taken. */
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

  /** Keeps the turn for a call that is under way. */
  async renew(key: Uint8Array): Promise<void> {
    await this.#pool.query(
      "update turns set leased_until = now() + $3 * interval '1 millisecond' where key = $1 and holder = $2",
      [key, this.#holder, this.#leaseMs],
    );
  }

  /** Keeps the turn for another call of this process, unless another process wants it. Answers whether it was kept. */
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
