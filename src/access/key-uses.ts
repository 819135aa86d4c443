import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

/** Uses that wait to be written: more keys than that are not used at once. */
const most = 50_000;

/** When API keys were used last. Gathered here and written from time to time, so that a request costs no write. */
export class KeyUses {
  readonly #db: Db;
  /** By the key's id: the moment by `performance.now()`. */
  #uses = new Map<string, number>();

  constructor(db: Db) {
    this.#db = db;
  }

  note(apiKeyId: string): void {
    if (this.#uses.size < most || this.#uses.has(apiKeyId)) this.#uses.set(apiKeyId, performance.now());
  }

  /** Writes what was gathered. What cannot be written is kept for the next time. */
  async write(): Promise<void> {
    const uses = this.#uses;
    if (uses.size === 0) return;
    this.#uses = new Map();
    const now = performance.now();
    const ago = [...uses.values()].map((at) => (now - at) / 1000);
    await sql`select access.note_uses(${[...uses.keys()]}::uuid[], ${ago}::double precision[])`
      .execute(this.#db)
      .catch(() => {
        this.#uses = new Map([...uses, ...this.#uses]);
      });
  }
}
