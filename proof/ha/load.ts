import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../../testkit/until.ts";
import type { Book, Origins } from "./book.ts";
import type { Desk, Order } from "./desk.ts";
import type { Event, Kind } from "./events.ts";
import type { Kept } from "./kept.ts";

export type Settled = Order & Readonly<{ at: number; acknowledged: boolean }>;

type Needs = Readonly<{ desk: Desk; origins: Origins; book: Book }>;

const workers = { cachedReader: 2, uncachedReader: 6, roamer: 1, writer: 3, trader: 2 } as const;
const pauseMs = {
  cachedReader: 30,
  uncachedReader: 20,
  roamer: 100,
  writer: 200,
  trader: 300,
  afterFailure: 250,
} as const;
const mostInReserve = 20;
/** Credentials that are registered before secrets are replaced alone, where there are any that may be. */
const most = 150;
/** For what follows a fault, on a machine that may be busy. */
const patienceMs = 180_000;
/** Every so many orders the venue's answer is lost. */
const answersLostEvery = 5;

/** Steady work from when it is made until `stop`: reads, writes and orders, each repeated until it succeeds. */
export class Load {
  readonly events: Event[] = [];
  readonly orders: Settled[] = [];
  /** When the newest success of a kind had begun. */
  readonly #succeeded = new Map<Kind, number>();
  readonly #needs: Needs;
  readonly #running: Promise<unknown>;
  #stopping = false;
  #settledBy = Infinity;
  #written = 0;
  #ordered = 0;
  #read = 0;

  constructor(needs: Needs) {
    this.#needs = needs;
    const start = (name: keyof typeof workers, turn: () => Promise<void>): Promise<void>[] =>
      Array.from({ length: workers[name] }, () => this.#repeat(turn, pauseMs[name]));
    this.#running = Promise.all([
      ...start("cachedReader", () => this.#readCached()),
      ...start("uncachedReader", () => this.#readUncached()),
      ...start("roamer", () => this.#roam()),
      ...start("writer", () => this.#write()),
      ...start("trader", () => this.#trade()),
    ]);
    // Told of by `stop`.
    this.#running.catch(() => undefined);
  }

  /** Waits until a write, an uncached read and an order that began after this time have succeeded. */
  async recovered(since: number): Promise<void> {
    const succeeded = (kind: Kind): boolean => (this.#succeeded.get(kind) ?? -1) > since;
    const all = (): boolean => (["write", "uncached", "order"] as const).every(succeeded);
    try {
      await until("writes, reads and orders", async () => (all() ? true : null), patienceMs);
    } catch (cause) {
      throw new Error(`Writes, reads and orders do not all succeed again. Lately: ${this.#lately()}.`, {
        cause,
      });
    }
  }

  /** A fault is about to be caused: uncached reads go on with what was kept back for it. */
  release(): void {
    const { unread, reserve } = this.#needs.book;
    unread.push(...reserve.splice(0));
  }

  /** Cached reads go over the credentials that rested, too. */
  wake(): void {
    const { held, resting } = this.#needs.book;
    held.push(...resting.splice(0));
  }

  /** Ends when every order is settled. Throws what a worker threw. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#settledBy = performance.now() + 60_000;
    await this.#running;
  }

  async #repeat(turn: () => Promise<void>, pause: number): Promise<void> {
    while (!this.#stopping) {
      await turn();
      await sleep(pause * (0.5 + Math.random()));
    }
  }

  #note(event: Event): Event {
    this.events.push(event);
    if (event.outcome === "ok")
      this.#succeeded.set(event.kind, Math.max(event.began, this.#succeeded.get(event.kind) ?? -1));
    return event;
  }

  #lately(): string {
    const recent = this.events.filter(({ ended }) => ended > performance.now() - 10_000);
    const counts = Map.groupBy(recent, ({ kind, outcome, code }) => `${kind} ${code ?? outcome}`);
    return [...counts].map(([what, { length }]) => `${what} ${length}`).join(", ") || "no answer";
  }

  async #readCached(): Promise<void> {
    const { desk, origins, book } = this.#needs;
    const kept = book.held[(this.#read += 1) % book.held.length];
    if (kept !== undefined) this.#note(await desk.read(origins.cached, "cached", kept));
  }

  async #readUncached(): Promise<void> {
    const { desk, origins, book } = this.#needs;
    const kept = book.unread.shift();
    if (kept === undefined) return;
    const { outcome } = this.#note(await desk.read(origins.reads, "uncached", kept));
    if (outcome === "ok" || outcome === "stale" || outcome === "foreign") return void book.settled.push(kept);
    book.unread.push(kept);
    await sleep(pauseMs.afterFailure);
  }

  /** Reads what may be replaced at the same time, from the process that replaces it. */
  async #roam(): Promise<void> {
    const { desk, origins, book } = this.#needs;
    const kept = book.settled[Math.floor(Math.random() * book.settled.length)];
    if (kept !== undefined) this.#note(await desk.read(origins.writes, "either", kept));
  }

  async #write(): Promise<void> {
    const { desk, origins, book } = this.#needs;
    const turn = (this.#written += 1);
    const old = turn % 2 === 0 || book.all.length >= most ? book.settled.shift() : undefined;
    const kept = old ?? desk.newKept();
    const pair = desk.newPair(kept);
    const number = kept.send(pair);
    const key = randomUUID();
    while (this.#note(await desk.write(origins.writes, kept, number, pair, key)).outcome !== "ok") {
      if (this.#stopping) return;
      await sleep(pauseMs.afterFailure);
    }
    if (old === undefined) book.all.push(kept);
    this.#placeFor(turn).push(kept);
  }

  /** Where a credential goes that was just written. */
  #placeFor(turn: number): Kept[] {
    const { unread, reserve, untraded } = this.#needs.book;
    if (turn % 4 === 0) return untraded;
    return turn % 4 < 3 && reserve.length < mostInReserve ? reserve : unread;
  }

  /** Every second order is with a credential that the process which is asked first has no copy of, where there is one. */
  async #trade(): Promise<void> {
    const { desk, origins, book } = this.#needs;
    const turn = (this.#ordered += 1);
    const untraded = turn % 2 === 0 ? book.untraded.shift() : undefined;
    const kept = untraded ?? book.held[turn % 2];
    if (kept === undefined) return;
    if (turn % answersLostEvery === 0) desk.loseAnswer();
    const order = desk.newOrder(kept);
    const acknowledged = await this.#untilSettled(order, [origins.reads, origins.writes]);
    this.orders.push({ ...order, at: performance.now(), acknowledged });
    if (untraded === undefined) return;
    if (acknowledged) kept.proveUsed();
    (acknowledged ? book.settled : book.unread).push(kept);
  }

  /** Sends an order under one key again and again, to one process and the other in turn, and answers whether it was placed. */
  async #untilSettled(order: Order, origins: readonly string[]): Promise<boolean> {
    for (let attempt = 0; ; attempt += 1) {
      const origin = origins[attempt % origins.length] ?? "";
      const { outcome } = this.#note(await this.#needs.desk.order(origin, order));
      if (outcome === "ok") return true;
      if (outcome === "declined" || outcome === "refused") return false;
      if (performance.now() > this.#settledBy)
        throw new Error("An order was not settled within a minute of calm.");
      await sleep(pauseMs.afterFailure);
    }
  }
}
