import { type ChildProcess, fork } from "node:child_process";
import { constants, setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import type { VenueSettings } from "../settings.ts";
import type { SecretFields } from "../venue.ts";
import { type Answer, type FromProcess, type Job, sealFields, type ToProcess } from "./protocol.ts";
import { StallWatch } from "./stall-watch.ts";

/** Given to the process, taken up by it, or on its way to the venue. */
export type Stage = "given" | "begun" | "sent";

/**
 * The process ended or could not start. What it was asked to do may have happened where it was `sent`, and
 * has not otherwise.
 */
export class ProcessLost extends Error {
  override readonly name = "ProcessLost";
  /** How far the call had come. */
  readonly stage: Stage;

  constructor(message: string, stage: Stage) {
    super(message);
    this.stage = stage;
  }
}

const source = fileURLToPath(new URL("../../", import.meta.url));
const packages = fileURLToPath(new URL("../../", import.meta.resolve("ccxt")));

/**
 * Venue code may reach the network and read program files, and nothing else: no key file, no write, no
 * program. The environment is empty and so are the output streams, since a dying process prints what it held.
 */
export const confinement = {
  execArgv: [
    "--permission",
    "--allow-net",
    `--allow-fs-read=${source}`,
    `--allow-fs-read=${packages}`,
    // SQLite opens and makes files without asking the permission model.
    "--no-experimental-sqlite",
    "--disallow-code-generation-from-strings",
    "--disable-sigusr1",
    "--report-exclude-env",
    "--max-old-space-size=2048",
  ],
  env: {},
  stdio: ["ignore", "ignore", "ignore", "ipc"],
  serialization: "advanced",
} as const;

const usualProgram = new URL("worker.ts", import.meta.url);

/**
 * For whom a call is, and the time of `performance.now()` after which it is not given to the process any
 * more.
 */
export type Order = Readonly<{ tenantId: string; before: number }>;

/** A call that was given to the process, and how far it has come. `tenantId` stays here. */
type Given = PromiseWithResolvers<Answer> & { tenantId: string; stage: Stage };

/** One venue process, with any number of calls under way in it. */
export class Child {
  readonly #process: ChildProcess;
  readonly #watch: StallWatch;
  readonly #onLost: (running: readonly string[]) => void;
  readonly #ready = Promise.withResolvers<Uint8Array>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #waiting = new Map<number, Given>();
  #calls = 0;
  #memory = 0;
  #lost = false;

  /**
   * `program`: a module that serves calls as worker.ts does; its own folder is readable to it. `onLost` is
   * called once, when the process has ended. `running`: whose calls it was at work on, in the order in which
   * they began.
   */
  constructor(
    settings: VenueSettings,
    {
      program = usualProgram,
      onLost = () => {},
    }: Readonly<{ program?: URL; onLost?: (running: readonly string[]) => void }> = {},
  ) {
    this.#onLost = onLost;
    const execArgv = [...confinement.execArgv, `--allow-fs-read=${fileURLToPath(new URL(".", program))}`];
    this.#process = fork(fileURLToPath(program), { ...confinement, execArgv, stdio: [...confinement.stdio] });
    this.#watch = new StallWatch(this.#process.pid);
    this.#process.on("message", (message: FromProcess) => this.#receive(message));
    this.#process.once("error", () => this.#lose());
    // What it said before its end may arrive after the exit, but never after the channel is closed.
    this.#process.once("disconnect", () => this.#lose());
    this.#process.once("exit", () => {
      if (!this.#process.connected) this.#lose();
    });
    // When the process is lost, nothing may be waiting for this.
    this.#ready.promise.catch(() => {});
    this.#send({ kind: "settings", settings });
    this.#unref();
  }

  /** Calls under way. */
  get busy(): number {
    return this.#waiting.size;
  }

  /** Calls it was ever given. */
  get calls(): number {
    return this.#calls;
  }

  /** Bytes of its resident set at its last answer. */
  get memory(): number {
    return this.#memory;
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Whether it is about to be taken for stalled. */
  get quiet(): boolean {
    return this.#watch.isQuiet;
  }

  /** Whether its event loop has stopped; asked in each turn of the watch. */
  isStalled(elapsedMs: number): boolean {
    return !this.#lost && this.#watch.isStalled(elapsedMs);
  }

  /** Lets other processes have the processor first. */
  giveWay(): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      setPriority(pid, constants.priority.PRIORITY_BELOW_NORMAL);
    } catch {
      // It has ended already, or this system does not permit it; its calls are made all the same.
    }
  }

  /** Has the code of these venues loaded before their first call. */
  expect(venues: readonly string[]): void {
    this.#send({ kind: "expect", venues });
  }

  /** Resolves when it takes calls. Throws `ProcessLost`. */
  async ready(): Promise<void> {
    await this.#ready.promise;
  }

  /**
   * `credentials` are borrowed, and leave sealed to the process. A new secret in the answer is sealed to
   * `replyTo`. Throws `ProcessLost` when the process ends before it has answered.
   */
  async call(
    { tenantId, before }: Order,
    job: Job,
    credentials: readonly SecretFields[],
    replyTo?: Uint8Array,
  ): Promise<Answer> {
    if (this.#lost) throw new ProcessLost("the venue process has ended", "given");
    const id = this.#calls;
    this.#calls += 1;
    const answer: Given = { ...Promise.withResolvers<Answer>(), tenantId, stage: "given" };
    this.#waiting.set(id, answer);
    // When the process is lost before it is ready, nothing awaits this.
    answer.promise.catch(() => {});
    this.#process.ref();
    this.#process.channel?.ref();
    try {
      const publicKey = await this.#ready.promise;
      if (performance.now() > before) throw new ProcessLost("the venue process started too late", "given");
      if (!this.#lost) {
        const sealed = credentials.map((fields) => sealFields(fields, publicKey));
        this.#send({ kind: "call", id, job, sealed, replyTo });
      }
      return await answer.promise;
    } finally {
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#unref();
    }
  }

  /** Ends the process; calls under way fail with `ProcessLost`. */
  async stop(): Promise<void> {
    if (this.#lost) return;
    this.#process.ref();
    this.#process.channel?.ref();
    this.#process.kill("SIGKILL");
    await this.#ended.promise;
  }

  #receive(message: FromProcess): void {
    this.#watch.heard(message.kind === "beat" ? message.cpuMs : undefined);
    switch (message.kind) {
      case "ready":
        this.#watch.enter("usual");
        return this.#ready.resolve(message.publicKey);
      case "beat":
        return;
      case "loading":
        return this.#watch.enter(message.active ? "loading" : "usual");
      case "begun":
      case "sent":
        return this.#advance(message.id, message.kind);
      case "answer":
        this.#memory = message.memory;
        return this.#waiting.get(message.id)?.resolve(message.answer);
    }
  }

  /** Keeps the calls that have begun in their order, behind those that have not. */
  #advance(id: number, stage: "begun" | "sent"): void {
    const given = this.#waiting.get(id);
    if (given === undefined) return;
    given.stage = stage;
    if (stage === "sent") return;
    this.#waiting.delete(id);
    this.#waiting.set(id, given);
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#process.kill("SIGKILL");
    const given = [...this.#waiting.values()];
    this.#onLost(given.filter(({ stage }) => stage !== "given").map(({ tenantId }) => tenantId));
    this.#ready.reject(new ProcessLost("the venue process has ended", "given"));
    for (const { reject, stage } of given) {
      reject(new ProcessLost("the venue process has ended", stage));
    }
    this.#ended.resolve();
  }

  #send(message: ToProcess): void {
    // The exit event reports a process that is gone.
    if (!this.#lost) this.#process.send(message, () => {});
  }

  /** An idle venue process does not keep this one alive. */
  #unref(): void {
    this.#process.unref();
    this.#process.channel?.unref();
  }
}
