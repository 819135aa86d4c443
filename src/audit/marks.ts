import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import type { Db } from "../db/connect.ts";
import type { Proof } from "../access/proof.ts";
import { type Grant, UnprovenRights } from "./grant.ts";

/** The newest state of a grant that this process knows of, at which link and when it did, and when the record was asked. */
type Mark = Readonly<{ number: number; link: number; seenAt: number; heldAt: number }>;

/** How long a process relies on what it has seen before it asks the record again. */
const askEveryMs = 60_000;

/**
 * Notices a row that was put back with its own old MAC: the record names the number of each grant that is signed, and this process
 * remembers the highest that it has seen.
 */
export class Marks {
  readonly #db: Db;
  readonly #marks: LRUCache<string, Mark>;

  constructor(db: Db, most: number) {
    this.#db = db;
    this.#marks = new LRUCache({ max: most });
  }

  /** Throws `UnprovenRights`. */
  async assertNewest(
    tenantId: string,
    grants: readonly Grant[],
    proof: Omit<Proof, "grants">,
  ): Promise<void> {
    const now = performance.now();
    const due = grants.filter(({ id }) => now - (this.#marks.get(id)?.heldAt ?? -Infinity) >= askEveryMs);
    if (due.length > 0) await this.#ask(tenantId, due, proof.link);
    for (const grant of grants) this.#hold(grant, proof);
  }

  async #ask(tenantId: string, grants: readonly Grant[], link: number): Promise<void> {
    const ids = grants.map(({ id }) => id);
    const { rows } = await sql<{ id: string; number: number }>`
      select * from audit.grant_numbers(${tenantId}::uuid, ${ids}::uuid[], ${link})`.execute(this.#db);
    const numbers = new Map(rows.map(({ id, number }) => [id, number]));
    for (const { kind, id, number } of grants) {
      // A change and its link are committed together, so a number that the record does not have is as wrong as an old one.
      if (numbers.get(id) !== number) throw new UnprovenRights(tenantId, kind, id, "rolled_back");
      const known = this.#marks.get(id);
      const now = performance.now();
      this.#marks.set(id, { ...(known ?? { number, link, seenAt: now }), heldAt: now });
    }
  }

  /**
   * Answers may come out of order: one that was asked for before the mark was made may show an older link, and an older number. One that
   * was asked for after it shows the record cut.
   */
  #hold({ kind, tenantId, id, number }: Grant, { link, askedAt }: Omit<Proof, "grants">): void {
    const mark = this.#marks.get(id);
    if (mark === undefined) return;
    const isLate = link < mark.link;
    const isWrong = isLate ? number > mark.number || askedAt > mark.seenAt : number < mark.number;
    if (isWrong) throw new UnprovenRights(tenantId, kind, id, "rolled_back");
    if (!isLate) this.#marks.set(id, { ...mark, number, link, seenAt: performance.now() });
  }
}
