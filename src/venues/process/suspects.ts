/** Where the calls of a tenant run: with all others, with other suspects, alone, or nowhere. */
export type Place = "open" | "shared" | "alone" | "barred";

/**
 * Tenants whose calls were running when a venue process stalled or died. Which call it was cannot be seen
 * from outside, so all of them are kept apart from other tenants for a while, and the one whose call began
 * last, which is the likeliest, from the others as well. There are two places. When both are taken, a suspect
 * whose calls alone were running gets none: that is proof, and a guess is not.
 */
export class Suspects {
  readonly #held = new Map<string, { place: Exclude<Place, "open">; until: number }>();
  readonly #forMs: number;
  readonly #now: () => number;

  constructor(forMs: number, now: () => number = () => performance.now()) {
    this.#forMs = forMs;
    this.#now = now;
  }

  placeOf(tenantId: string): Place {
    this.#release();
    return this.#held.get(tenantId)?.place ?? "open";
  }

  get count(): number {
    this.#release();
    return this.#held.size;
  }

  /** `running`: whose calls a lost process was at work on, in the order in which they began. */
  accuse(running: readonly string[]): void {
    const last = running.at(-1);
    const isProven = running.every((tenantId) => tenantId === last);
    for (const tenantId of new Set(running)) {
      const before = this.placeOf(tenantId);
      const place =
        tenantId === last ? this.#narrower(before, isProven) : before === "open" ? "shared" : before;
      this.#held.set(tenantId, { place, until: this.#now() + this.#forMs });
    }
  }

  #narrower(before: Place, isProven: boolean): Exclude<Place, "open"> {
    if (before === "alone" || before === "barred") return before;
    const isTaken = [...this.#held.values()].some(({ place }) => place === "alone");
    if (!isTaken) return "alone";
    return before === "shared" && isProven ? "barred" : "shared";
  }

  #release(): void {
    const now = this.#now();
    for (const [tenantId, { until }] of this.#held) if (until <= now) this.#held.delete(tenantId);
  }
}
