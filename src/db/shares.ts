import { KeyholdError } from "../errors.ts";

export type ShareOptions = Readonly<{
  /** Connections of the pool. */
  connections: number;
  /** Connections that one tenant holds at most; `Infinity` switches the shares off. */
  perTenant?: number;
  /** Requests of one tenant that wait at most. */
  waiting?: number;
  /** Milliseconds that a request waits at most. */
  patience?: number;
}>;

/**
 * Shares a pool among tenants. A tenant that wants more than its share waits here, without a connection, and
 * waiting tenants take turns. So a flood of one tenant leaves connections for the others.
 */
export class TenantShares {
  readonly #perTenant: number;
  readonly #mostWaiting: number;
  readonly #patience: number;
  readonly #held = new Map<string, number>();
  /** In the order in which the tenants are served. */
  readonly #waiting = new Map<string, Readonly<{ start: () => void }>[]>();
  #free: number;

  constructor({ connections, perTenant, waiting = 200, patience = 5000 }: ShareOptions) {
    this.#free = connections;
    this.#perTenant = perTenant ?? Math.max(1, Math.floor(connections / 2));
    this.#mostWaiting = waiting;
    this.#patience = patience;
  }

  /**
   * Runs `work` within the share of the tenant. Throws `not_ready` when too many wait, or when the wait was
   * too long.
   */
  async within<T>(tenantId: string, work: () => Promise<T>): Promise<T> {
    if (this.#mayHold(tenantId)) this.#take(tenantId);
    else await this.#wait(tenantId);
    try {
      return await work();
    } finally {
      this.#give(tenantId);
    }
  }

  #mayHold(tenantId: string): boolean {
    return this.#free > 0 && (this.#held.get(tenantId) ?? 0) < this.#perTenant;
  }

  #take(tenantId: string): void {
    this.#free -= 1;
    this.#held.set(tenantId, (this.#held.get(tenantId) ?? 0) + 1);
  }

  #give(tenantId: string): void {
    const left = (this.#held.get(tenantId) ?? 0) - 1;
    if (left > 0) this.#held.set(tenantId, left);
    else this.#held.delete(tenantId);
    this.#free += 1;
    this.#serveNext();
  }

  #wait(tenantId: string): Promise<void> {
    const queue = this.#waiting.get(tenantId) ?? [];
    if (queue.length >= this.#mostWaiting) throw busy();
    this.#waiting.set(tenantId, queue);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        queue.splice(queue.indexOf(waiter), 1);
        if (queue.length === 0) this.#waiting.delete(tenantId);
        reject(busy());
      }, this.#patience);
      const waiter = {
        start: () => {
          clearTimeout(late);
          resolve();
        },
      };
      queue.push(waiter);
    });
  }

  /** A served tenant goes to the end of the waiting ones. */
  #serveNext(): void {
    const next = [...this.#waiting].find(([tenantId]) => this.#mayHold(tenantId));
    if (next === undefined) return;
    const [tenantId, queue] = next;
    this.#waiting.delete(tenantId);
    const waiter = queue.shift();
    if (queue.length > 0) this.#waiting.set(tenantId, queue);
    this.#take(tenantId);
    waiter?.start();
  }
}

function busy(): KeyholdError {
  return new KeyholdError(
    "not_ready",
    "Your tenant has too many requests under way, and this one was not started. Send it again in a moment.",
    { facts: { retry_after_seconds: 1 } },
  );
}
