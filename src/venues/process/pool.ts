import { LRUCache } from "lru-cache";
import type { VenueSettings } from "../settings.ts";
import type { SecretFields } from "../venue.ts";
import type { Indefinite } from "../verdict.ts";
import { Child, type Order, ProcessLost } from "./child.ts";
import { type Answer, beatEveryMs, type Job } from "./protocol.ts";
import { type Place, Suspects } from "./suspects.ts";

export type Pool = Readonly<{
  /**
   * Never throws for what happens in a venue process. A process that is lost after the call has left is an
   * indefinite outcome. A call that was not made is marked as unsent: the tenant has too many at once, or
   * process after process was lost before it left.
   */
  call(
    tenantId: string,
    job: Job,
    credentials: readonly SecretFields[],
    replyTo?: Uint8Array,
  ): Promise<Answer>;
  close(): Promise<void>;
}>;

/** Why a process was replaced: `ended` by itself, `worn` by its calls or its size. */
export type ReplacedBecause = "stalled" | "overdue" | "ended" | "worn";

export type PoolEvent =
  /** `tenants`: whose calls it was at work on. */
  | Readonly<{ kind: "replaced"; reason: ReplacedBecause; tenants: readonly string[] }>
  | Readonly<{ kind: "suspects"; count: number }>;

/** What the pool needs of a venue process. */
export type PoolChild = Pick<
  Child,
  | "busy"
  | "calls"
  | "memory"
  | "lost"
  | "quiet"
  | "isStalled"
  | "ready"
  | "expect"
  | "giveWay"
  | "call"
  | "stop"
>;

export type PoolOptions = Readonly<{
  /** Starts a process, which calls `onLost` once when it has ended. */
  start?: (settings: VenueSettings, onLost: (running: readonly string[]) => void) => PoolChild;
  /** Called for processes that were replaced and tenants that are kept apart. */
  report?: (event: PoolEvent) => void;
  /** Without it a process whose event loop stands still is left until its calls are overdue. */
  replaceStalled?: boolean;
  /** Without it tenants share processes whatever happened in them. */
  confineSuspects?: boolean;
  suspectForMs?: number;
  /** How long a call may wait for a process, and how much later than its time-out it may end. */
  patienceMs?: number;
  /** How long after the last start of a process a spare one is started. */
  spareAfterMs?: number;
}>;

/** A process is replaced after so many calls; it first finishes what it has begun. */
const callsPerProcess = 20_000;
/** Another process is started only when the first has so many calls under way. */
const busyEnough = 4;
/** The processes that are needed start first, and a pool that is used for a moment needs no spare. */
const usualSpareAfterMs = 5_000;
/** The spare process has the code of so many venues ready, those that were called last. */
const venuesReady = 8;
/**
 * A call is given to a process within this time or not at all, and is overdue when it takes its time-out
 * beside this.
 */
const usualPatienceMs = 10_000;

/** After so many milliseconds nothing of a call is under way any more, whatever happened to it. */
export function endsWithinMs({ timeoutMs }: VenueSettings, options: PoolOptions): number {
  return timeoutMs + (options.patienceMs ?? usualPatienceMs);
}

const barred =
  "Calls of this tenant stopped more than one process that calls venues, so none is made for up to an hour.";

/**
 * How often a call that did not leave goes to another process. One that had begun may be what stopped the
 * first.
 */
const mostMoves = { given: 2, begun: 1 };

type Work = (child: PoolChild, order: Order) => Promise<Answer>;

/** The processes in which venue code runs, started on first use. */
export function createPool(settings: VenueSettings, options: PoolOptions = {}): Pool {
  const pool = new ProcessPool(settings, options);
  return {
    call: (tenantId, job, credentials, replyTo) =>
      pool.give(tenantId, job.venue, (child, order) => child.call(order, job, credentials, replyTo)),
    close: () => pool.close(),
  };
}

/**
 * No more than `settings.processes` take the calls of all tenants, and one each those of suspects and of the
 * last suspect. One that is being replaced may still be finishing its own.
 */
class ProcessPool {
  readonly #settings: VenueSettings;
  readonly #options: PoolOptions;
  readonly #suspects: Suspects;
  readonly #atOnce: CallsAtOnce;
  #general: PoolChild[] = [];
  readonly #cells = new Map<Exclude<Place, "open" | "barred">, PoolChild>();
  /** Stands ready: a process takes a second to start, which calls of a stalled one would have to wait. */
  #spare: PoolChild | undefined;
  readonly #lastVenues = new LRUCache<string, true>({ max: venuesReady });
  #lastStart = 0;
  readonly #retired = new Set<PoolChild>();
  /** Processes that this pool ends, and why. */
  readonly #ending = new Map<PoolChild, ReplacedBecause | "closed">();
  #watch: NodeJS.Timeout | undefined;
  #lastTurn = 0;
  #reported = 0;
  #closed = false;

  constructor(settings: VenueSettings, options: PoolOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#suspects = new Suspects(options.suspectForMs ?? 3_600_000);
    this.#atOnce = new CallsAtOnce(settings.callsPerTenant);
  }

  async give(tenantId: string, venue: string, work: Work): Promise<Answer> {
    if (!this.#lastVenues.has(venue)) this.#spare?.expect([venue]);
    this.#lastVenues.set(venue, true);
    const given = await this.#atOnce.within(tenantId, () => this.#give(tenantId, work));
    return given ?? unsent(`A tenant may have ${this.#settings.callsPerTenant} calls at venues at once.`);
  }

  async #give(tenantId: string, work: Work): Promise<Answer> {
    const before = performance.now() + (this.#options.patienceMs ?? usualPatienceMs);
    for (let move = 0; !this.#closed; move += 1) {
      const child = this.#choose(tenantId);
      if (child === null) return unsent(barred);
      try {
        return await this.#within(child, { tenantId, before }, work);
      } catch (error) {
        if (!(error instanceof ProcessLost)) throw error;
        if (error.stage === "sent") return lost("the venue process ended during the call");
        const isOver = performance.now() > before || move >= mostMoves[error.stage];
        if (isOver) return unsent("No process that calls venues could take it.");
      } finally {
        this.#retire(child);
      }
    }
    return unsent("The processes that call venues are stopped.");
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    await Promise.all(this.#all().map((child) => this.#end(child, "closed")));
  }

  async #within(child: PoolChild, order: Order, work: Work): Promise<Answer> {
    let overdue: NodeJS.Timeout | undefined;
    const watch = async (): Promise<void> => {
      await child.ready();
      const left = order.before + this.#settings.timeoutMs - performance.now();
      overdue = setTimeout(() => void this.#end(child, "overdue"), Math.max(0, left));
    };
    try {
      const [result] = await Promise.all([work(child, order), watch()]);
      return result;
    } finally {
      clearTimeout(overdue);
    }
  }

  /** `null` for a tenant whose calls are not made now. */
  #choose(tenantId: string): PoolChild | null {
    const place = this.#options.confineSuspects === false ? "open" : this.#suspects.placeOf(tenantId);
    if (place === "barred") return null;
    if (place === "open") return this.#freest() ?? this.#start();
    const cell = this.#cells.get(place);
    if (cell !== undefined && !cell.lost) return cell;
    // The likeliest culprit waits for a process of its own, and leaves the spare to those that it held up.
    const started = place === "alone" ? this.#startChild() : this.#takeSpare();
    if (place === "alone") started.giveWay();
    this.#cells.set(place, started);
    return started;
  }

  /** Undefined where another process is to be started. */
  #freest(): PoolChild | undefined {
    this.#general = this.#general.filter((child) => !child.lost);
    const isFull = this.#general.length >= this.#settings.processes;
    // One that has fallen silent is about to be replaced, and takes calls only where there is no other.
    const [first] = this.#general.toSorted((a, b) => Number(a.quiet) - Number(b.quiet) || a.busy - b.busy);
    return first !== undefined && (isFull || (!first.quiet && first.busy < busyEnough)) ? first : undefined;
  }

  #start(): PoolChild {
    const started = this.#takeSpare();
    this.#general.push(started);
    return started;
  }

  #takeSpare(): PoolChild {
    const spare = this.#spare;
    this.#spare = undefined;
    return spare ?? this.#startChild();
  }

  #startChild(): PoolChild {
    const { start = startChild } = this.#options;
    const child: PoolChild = start(this.#settings, (running) => this.#lost(child, running));
    this.#watch ??= this.#startWatch();
    this.#lastStart = performance.now();
    return child;
  }

  #startWatch(): NodeJS.Timeout {
    this.#lastTurn = performance.now();
    return setInterval(() => this.#turn(), beatEveryMs).unref();
  }

  /** Looks whether the event loop of each process still turns. */
  #turn(): void {
    const now = performance.now();
    const elapsedMs = now - this.#lastTurn;
    this.#lastTurn = now;
    for (const child of this.#all()) {
      const isStalled = child.isStalled(elapsedMs);
      if (isStalled && this.#options.replaceStalled !== false) void this.#end(child, "stalled");
    }
    this.#keepSpare(now);
    this.#tidy();
  }

  #keepSpare(now: number): void {
    if (this.#spare !== undefined || this.#general.length === 0) return;
    const isNeeded = this.#general.some(({ quiet }) => quiet);
    const isDue = now - this.#lastStart >= (this.#options.spareAfterMs ?? usualSpareAfterMs);
    if (!isNeeded && !isDue) return;
    this.#spare = this.#startChild();
    this.#spare.expect([...this.#lastVenues.keys()]);
  }

  /** Ends the processes of suspects that are none any more, and says how many there are. */
  #tidy(): void {
    const { count } = this.#suspects;
    if (count !== this.#reported) this.#options.report?.({ kind: "suspects", count });
    this.#reported = count;
    if (count > 0) return;
    for (const [cell, child] of this.#cells) {
      this.#cells.delete(cell);
      this.#retired.add(child);
      this.#retire(child);
    }
  }

  #retire(child: PoolChild): void {
    if (child.calls >= callsPerProcess || child.memory >= this.#settings.processMemoryBytes) {
      this.#forget(child);
      this.#retired.add(child);
    }
    if (!this.#retired.has(child) || child.busy > 0) return;
    this.#retired.delete(child);
    void this.#end(child, "worn");
  }

  #forget(child: PoolChild): void {
    this.#general = this.#general.filter((other) => other !== child);
    for (const [cell, other] of this.#cells) if (other === child) this.#cells.delete(cell);
    this.#retired.delete(child);
    if (this.#spare === child) this.#spare = undefined;
  }

  async #end(child: PoolChild, reason: ReplacedBecause | "closed"): Promise<void> {
    if (!this.#ending.has(child)) this.#ending.set(child, reason);
    await child.stop();
  }

  #lost(child: PoolChild, running: readonly string[]): void {
    const reason = this.#ending.get(child) ?? "ended";
    this.#ending.delete(child);
    this.#forget(child);
    if (reason === "closed") return;
    // Nothing is under way in one that is worn.
    const tenants = [...new Set(running)];
    this.#suspects.accuse(reason === "worn" ? [] : running);
    this.#options.report?.({ kind: "replaced", reason, tenants });
    this.#tidy();
  }

  #all(): readonly PoolChild[] {
    const spare = this.#spare === undefined ? [] : [this.#spare];
    return [...this.#general, ...this.#cells.values(), ...spare, ...this.#retired];
  }
}

function startChild(settings: VenueSettings, onLost: (running: readonly string[]) => void): PoolChild {
  return new Child(settings, { onLost });
}

function lost(message: string): Indefinite {
  return { outcome: "venue_unavailable", message };
}

/** Nothing has left, so the call can be made again. */
function unsent(why: string): Indefinite {
  return { ...lost(`${why} This call was not made; try it again later.`), unsent: true };
}

/** How many calls each tenant has under way. */
class CallsAtOnce {
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
