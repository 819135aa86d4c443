import { setTimeout as sleep } from "node:timers/promises";
import { readLock } from "../../src/db/embedded/recover.ts";
import { type Service, startService } from "../../testkit/service.ts";
import { until } from "../../testkit/until.ts";
import { isRunning, listProcesses, type Process } from "./processes.ts";
import type { Program } from "./site.ts";

/** Of one start: how long it took, and the words with which it was refused. */
export type Start = Readonly<{ seconds: number; refusal: string | null }>;

type Options = Readonly<{
  environment: Readonly<Record<string, string>>;
  /** Of the embedded PostgreSQL. */
  data: string;
  /** In place of the service. */
  program: Program | undefined;
}>;

/** A start that was refused so often will be refused for ever. */
const mostRefusals = 3;
/** For a service or a postmaster on a machine that may be busy. */
const patienceMs = 90_000;
/** New secrets go to the first. */
const orders = ["postgres,file", "file,postgres"] as const;

/** Whoever starts the service again when it has died, and who kills it. */
export class Supervisor {
  readonly starts: Start[] = [];
  readonly #options: Options;
  #service: Service | null = null;
  #turn = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Where the service answers; `null` while there is none. */
  get origin(): string | null {
    return this.#service?.url ?? null;
  }

  /** Starts the service on what is there, each time with the other store for new secrets. False when it is refused for good. */
  async start(): Promise<boolean> {
    for (let attempt = 0; attempt < mostRefusals; attempt += 1) {
      const began = performance.now();
      const refusal = await this.#startOnce(undefined).then(
        () => null,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      this.starts.push({ seconds: (performance.now() - began) / 1000, refusal });
      if (refusal === null) return true;
      await sleep(1000);
    }
    return false;
  }

  /** Starts the service and kills it after these milliseconds, whether it serves by then or not. */
  async startAndKill(afterMs: number): Promise<void> {
    const abort = AbortSignal.timeout(Math.ceil(afterMs));
    const isReady = await this.#startOnce(abort).then(
      () => true,
      () => false,
    );
    if (isReady) await this.killService();
  }

  async killService(): Promise<void> {
    const service = this.#service;
    this.#service = null;
    await service?.kill();
  }

  async stop(): Promise<void> {
    const service = this.#service;
    this.#service = null;
    await service?.stop();
  }

  /** The process that started all others of the database. */
  async postmaster(): Promise<number> {
    const { pid } = await until("the postmaster", () => readLock(this.#options.data), patienceMs);
    return pid;
  }

  /** The processes in which the service talks to venues: its children, but for the database. */
  async venueProcesses(): Promise<readonly Process[]> {
    const pid = this.#service?.pid;
    const postmaster = await this.postmaster();
    return (await listProcesses()).filter(({ parent, pid: own }) => parent === pid && own !== postmaster);
  }

  /**
   * Waits until the service has ended or works with another postmaster than this. False when it does neither in time; then it is killed,
   * as nothing else helps.
   */
  async endsOrRecovers(postmaster: number): Promise<boolean> {
    const hasSettled = await until(
      "the service to end or to recover",
      async () => ((await this.#hasEnded()) || (await this.#hasRecovered(postmaster)) ? true : null),
      patienceMs,
    ).catch(() => false);
    if (!hasSettled || (await this.#hasEnded())) await this.killService();
    return hasSettled;
  }

  async #hasEnded(): Promise<boolean> {
    return this.#service === null || !(await isRunning(this.#service.pid));
  }

  async #hasRecovered(postmaster: number): Promise<boolean> {
    const lock = await readLock(this.#options.data);
    if (lock === null || lock.pid === postmaster || this.origin === null) return false;
    const status = await fetch(`${this.origin}/health/ready`).then(
      async (answer) => (await answer.arrayBuffer(), answer.status),
      () => 0,
    );
    return status === 200;
  }

  async #startOnce(signal: AbortSignal | undefined): Promise<void> {
    const { environment, program } = this.#options;
    const KEYHOLD_STORES = orders[(this.#turn += 1) % orders.length] ?? "postgres";
    this.#service = await startService({ ...environment, KEYHOLD_STORES }, program, signal);
  }
}
