import { DatabaseError } from "pg";

/** A request that waits for a commit, and since when, in milliseconds of `performance.now()`. */
export type Waiting = Readonly<{
  tenantId: string;
  since: number;
  reject: (cause: unknown) => void;
}>;

/**
 * Commits a group.
 * @returns a function that settles its requests, which runs after the start of the next group.
 */

type CommitsOptions = Readonly<{
  mostInGroup: number;
  /** Called when no request waits. */
  onIdle?: () => void;
}>;

/** Commits one group at a time. Requests that arrive during a commit form the next group. */
export class Commits<T extends Waiting> {
  readonly #commit: (group: readonly T[]) => Promise<() => void>;
  readonly #options: CommitsOptions;
  #waiting: T[] = [];
  #committing = false;

  constructor(commit: (group: readonly T[]) => Promise<() => void>, options: CommitsOptions) {
    this.#commit = commit;
    this.#options = options;
  }

  push(one: T): void {
    this.#waiting.push(one);
    if (this.#committing) return;
    this.#committing = true;
    // Requests that were read from their sockets together form one group. Without this delay the first would
    // go alone.
    setImmediate(() => void this.#commitNext());
  }

  /**
   * The next group starts before the secrets of this one are opened, so that the database and this process
   * work in parallel.
   */
  async #commitNext(): Promise<void> {
    const group = this.#waiting.splice(0, this.#options.mostInGroup);
    this.#committing = group.length > 0;
    if (!this.#committing) {
      this.#options.onIdle?.();
      return;
    }
    const settle = await this.#commit(group).catch((error: unknown) => {
      // The record is unavailable, and requests that came meanwhile would wait as long once more.
      group.push(...this.#waiting.splice(0));
      return () => {
        for (const { reject } of group) reject(error);
      };
    });
    void this.#commitNext();
    settle();
  }
}

/** The result of a group: a function that settles the recorded requests, and those whose chain was held. */
export type Asked<T> = Readonly<{ settle: () => void; unanswered: readonly T[] }>;

type BusyChainsOptions<T> = Readonly<{
  /** Records a group and waits at most so many milliseconds for each chain; 0 skips held chains. */
  ask: (group: readonly T[], patienceMs: number) => Promise<Asked<T>>;
  /** Milliseconds after its arrival at which a request is refused. */
  withinMs: number;
  mostInGroup: number;
  /** Tenants with a slow chain that may wait at once; each of them needs a connection. */
  slowAtOnce: number;
  /** Takes a request that should be tried again without waiting. */
  tryAgain: (one: T) => void;
}>;

/** Longer than a few commits, so that a chain that is held for this long is slow and not only busy. */
const briefMs = 200;
/**
 * For this long after its chain was busy, requests of a tenant wait from the beginning, because a try without
 * waiting would mostly fail.
 */
const busyForMs = 1000;
/** For this long after its chain was slow, requests of a tenant wait apart from the others. */
const slowForMs = 10_000;
/** Between two tries of a request that finds no connection to wait on. */
const pauseMs = 25;

/**
 * Second tries for requests whose chain another connection held. PostgreSQL queues the waiters of a chain, so
 * that each gets its turn. Requests of briefly busy chains wait together, in one commit. Requests of a chain
 * that is held for longer wait apart, so that it costs only the requests of its own tenant.
 */
export class BusyChains<T extends Waiting> {
  readonly #options: BusyChainsOptions<T>;
  readonly #together: Commits<T>;
  readonly #apart = new Map<string, Commits<T>>();
  readonly #wereBusy = new Recently(busyForMs);
  readonly #wereSlow = new Recently(slowForMs);

  constructor(options: BusyChainsOptions<T>) {
    this.#options = options;
    this.#together = new Commits((group) => this.#waitTogether(group), options);
  }

  /** Takes a request of a tenant whose chain was held a moment ago. @returns whether it did. */
  joins(one: T): boolean {
    const queue = this.#queueOf(one.tenantId);
    queue?.push(one);
    return queue !== undefined;
  }

  #queueOf(tenantId: string): Commits<T> | undefined {
    const apart = this.#apart.get(tenantId);
    if (apart !== undefined) return apart;
    if (this.#wereSlow.has(tenantId)) return this.#open(tenantId);
    return this.#wereBusy.has(tenantId) ? this.#together : undefined;
  }

  /** Takes a request whose chain was held when it was tried. */
  add(one: T): void {
    this.#wereBusy.note(one.tenantId);
    if (!this.joins(one)) this.#tryLater(one);
  }

  async #waitTogether(group: readonly T[]): Promise<() => void> {
    try {
      return (await this.#options.ask(group, Math.min(briefMs, this.#msLeft(group)))).settle;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      const { settle, unanswered } = await this.#options.ask(group, 0);
      for (const one of unanswered) {
        this.#wereSlow.note(one.tenantId);
        this.add(one);
      }
      return settle;
    }
  }

  /** A queue of this tenant, if there is a connection left to wait on. */
  #open(tenantId: string): Commits<T> | undefined {
    const { slowAtOnce, mostInGroup } = this.#options;
    if (this.#apart.size >= slowAtOnce) return undefined;
    const onIdle = (): void => void this.#apart.delete(tenantId);
    const queue = new Commits<T>((group) => this.#waitForOne(tenantId, group), { mostInGroup, onIdle });
    this.#apart.set(tenantId, queue);
    return queue;
  }

  async #waitForOne(tenantId: string, group: readonly T[]): Promise<() => void> {
    try {
      return (await this.#options.ask(group, this.#msLeft(group))).settle;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      this.#wereSlow.note(tenantId);
      const over = group.filter((one) => this.#isOver(one));
      for (const one of group) if (!over.includes(one)) this.add(one);
      return () => {
        for (const { reject } of over) reject(error);
      };
    }
  }

  #tryLater(one: T): void {
    if (this.#isOver(one)) {
      one.reject(new Error("the chain was held for too long"));
      return;
    }
    setTimeout(() => this.#options.tryAgain(one), pauseMs);
  }

  /** Until the oldest request of a group is refused. */
  #msLeft(group: readonly T[]): number {
    const oldest = Math.min(...group.map(({ since }) => since));
    return Math.max(1, oldest + this.#options.withinMs - performance.now());
  }

  /** The time-out of a lock is a whole number of milliseconds, so it may come a little early. */
  #isOver({ since }: T): boolean {
    return performance.now() - since >= this.#options.withinMs - 2;
  }
}

/** Tenants that were noted a moment ago. */
class Recently {
  readonly #ms: number;
  readonly #until = new Map<string, number>();

  constructor(ms: number) {
    this.#ms = ms;
  }

  note(tenantId: string): void {
    this.#until.set(tenantId, performance.now() + this.#ms);
  }

  has(tenantId: string): boolean {
    const until = this.#until.get(tenantId);
    if (until === undefined) return false;
    if (until > performance.now()) return true;
    this.#until.delete(tenantId);
    return false;
  }
}

function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === lockNotAvailable;
}

/** SQLSTATE 55P03. */
const lockNotAvailable = "55P03";
