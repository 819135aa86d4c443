/** How many calls each tenant has under way. */
export class CallsAtOnce {
  readonly #most: number;
  readonly #underWay = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Makes a call that counts for the tenant until it is over; `null` for one too many, which is not made. */
  async within<T>(tenantId: string, call: () => Promise<T>): Promise<T | null> {
    const now = this.#underWay.get(tenantId) ?? 0;
    if (now >= this.#most) return null;
    this.#underWay.set(tenantId, now + 1);
    try {
      return await call();
    } finally {
      this.#leave(tenantId);
    }
  }

  #leave(tenantId: string): void {
    const left = (this.#underWay.get(tenantId) ?? 1) - 1;
    if (left === 0) this.#underWay.delete(tenantId);
    else this.#underWay.set(tenantId, left);
  }
}
