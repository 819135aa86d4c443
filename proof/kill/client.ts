import { setTimeout as sleep } from "node:timers/promises";
import type { Control } from "../../simulator/control.ts";
import type { Answer } from "../ha/client.ts";
import { digestIn, reveal } from "../ha/desk.ts";
import type { Tenant } from "../ha/kept.ts";
import type { Chance } from "./chance.ts";
import type { Entry, Ledger } from "./ledger.ts";
import type { Supervisor } from "./supervisor.ts";
import { accountOpening, registration, replacement, revocation, rotation, type Write } from "./writes.ts";

export type Scene = Readonly<{ supervisor: Supervisor; ledger: Ledger; control: Control; chance: Chance }>;

/** A write without an answer, and from when on it is sent again. */
type Unanswered = { readonly write: Write; attempts: number; notBefore: number };

const pauseMs = { turn: 40, absent: 50, failed: 300, running: 3000 } as const;
/** A client that has so many without an answer only repeats. */
const mostUnanswered = 12;

/** Whether nothing is known of what became of the request: no answer, an answer that blames the service, or its first run goes on. */
const isUndecided = ({ status, problem }: Answer): boolean =>
  status === 0 || status >= 500 || problem?.code === "idempotency_in_flight";

/** Somebody who registers, reveals, rotates, replaces and revokes, and sends again under its key what was not answered. */
export class Client {
  readonly #scene: Scene;
  readonly #tenant: Tenant;
  #unanswered: readonly Unanswered[] = [];
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(scene: Scene, tenant: Tenant) {
    this.#scene = scene;
    this.#tenant = tenant;
    this.#running = this.#run();
    // Told of by `stop`.
    this.#running.catch(() => undefined);
  }

  get unanswered(): number {
    return this.#unanswered.length;
  }

  /** Begins nothing new. Throws what the client threw. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Sends again what has no answer; true when nothing is left. */
  async repeatAll(origin: string): Promise<boolean> {
    for (const one of this.#unanswered) await this.#repeat(origin, one);
    return this.#unanswered.length === 0;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const { origin } = this.#scene.supervisor;
      if (origin === null) await sleep(pauseMs.absent);
      else await this.#turn(origin);
    }
  }

  async #turn(origin: string): Promise<void> {
    const due = this.#unanswered.find(({ notBefore }) => notBefore <= performance.now());
    if (due !== undefined) return this.#repeat(origin, due);
    const { chance } = this.#scene;
    if (this.#unanswered.length < mostUnanswered) await this.#begin(origin, chance.next());
    await sleep(chance.between(0, 2 * pauseMs.turn));
  }

  /** Half of what a client does is to reveal. */
  async #begin(origin: string, draw: number): Promise<void> {
    const { ledger, chance } = this.#scene;
    if (draw < 0.18) return this.#send(origin, registration(this.#scene, this.#tenant));
    if (draw < 0.24) return this.#send(origin, accountOpening(this.#scene, this.#tenant));
    const entry = ledger.borrow(chance);
    if (entry === null) return;
    if (draw < 0.36) return this.#send(origin, rotation(this.#scene, entry));
    if (draw < 0.44) return this.#send(origin, replacement(this.#scene, entry));
    if (draw < 0.48) return this.#send(origin, revocation(entry));
    await this.#reveal(origin, entry);
  }

  async #reveal(origin: string, entry: Entry): Promise<void> {
    await revealOnce(origin, entry, this.#scene.ledger);
    entry.isBusy = false;
  }

  async #send(origin: string, write: Write): Promise<void> {
    const { ledger } = this.#scene;
    ledger.writes += 1;
    const answer = await write.send(origin);
    if (answer.body !== null) return;
    if (!isUndecided(answer)) return void ledger.refusals.push(`${write.what} ${answer.problem?.code}`);
    this.#unanswered = [
      ...this.#unanswered,
      { write, attempts: 0, notBefore: performance.now() + pauseMs.failed },
    ];
  }

  async #repeat(origin: string, one: Unanswered): Promise<void> {
    const answer = await one.write.send(origin);
    one.attempts += 1;
    if (isUndecided(answer)) {
      const isRunning = answer.problem?.code === "idempotency_in_flight";
      one.notBefore = performance.now() + (isRunning ? pauseMs.running : pauseMs.failed);
      return;
    }
    this.#unanswered = this.#unanswered.filter((other) => other !== one);
    const { what } = one.write;
    this.#scene.ledger.repeats.push({ what, attempts: one.attempts, code: answer.problem?.code ?? null });
  }
}

/** Reveals the secret of an entry that is in these hands, and notes what came. False when no secret did. */
export async function revealOnce(origin: string, entry: Entry, ledger: Ledger): Promise<boolean> {
  const { floor } = entry.kept;
  const { body } = await reveal(origin, entry.kept);
  if (body === null) return false;
  ledger.reveals += 1;
  entry.reveals += 1;
  if (entry.kept.judge(digestIn(body), floor) !== "ok") ledger.wrongReveals += 1;
  return true;
}
