import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { KeyAnswer, KeyJob } from "./keys/job.ts";
import type { Answer, FromProcess, Job, ToProcess } from "./protocol.ts";
import type { VenueSettings } from "./settings.ts";
import { sealFields } from "./transport.ts";
import type { SecretFields } from "./venue.ts";

/** The process ended or could not start. What it was asked to do may have happened. */
export class ProcessLost extends Error {
  override readonly name = "ProcessLost";
}

const source = fileURLToPath(new URL("../", import.meta.url));
const packages = fileURLToPath(new URL("../../", import.meta.resolve("ccxt")));

/**
 * Venue code may reach the network and read program files, and nothing else: no key file, no write, no program.
 * The environment is empty and so are the output streams, since a dying process prints what it held.
 */
export const confinement = {
  execArgv: [
    "--permission",
    "--allow-net",
    `--allow-fs-read=${source}`,
    `--allow-fs-read=${packages}`,
    "--disable-sigusr1",
    "--report-exclude-env",
    "--max-old-space-size=2048",
  ],
  env: {},
  stdio: ["ignore", "ignore", "ignore", "ipc"],
  serialization: "advanced",
} as const;

type Answered = Exclude<FromProcess, { kind: "ready" }>;

/** One venue process, with any number of calls under way in it. */
export class Child {
  readonly #process: ChildProcess;
  readonly #ready = Promise.withResolvers<Uint8Array>();
  readonly #waiting = new Map<number, PromiseWithResolvers<Answered>>();
  #calls = 0;
  #memory = 0;
  #lost = false;

  constructor(settings: VenueSettings) {
    const options = { ...confinement, execArgv: [...confinement.execArgv], stdio: [...confinement.stdio] };
    this.#process = fork(fileURLToPath(new URL("worker.ts", import.meta.url)), options);
    this.#process.on("message", (message: FromProcess) => this.#receive(message));
    this.#process.once("error", () => this.#lose());
    this.#process.once("exit", () => this.#lose());
    // Nobody may be waiting for this when the process is lost.
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

  /** Throws `ProcessLost` when the process ends before it has answered. */
  async call(job: Job, fields: SecretFields): Promise<Answer> {
    const answered = await this.#exchange((id, publicKey) => {
      return { kind: "call", id, job, sealed: sealFields(fields, publicKey) };
    });
    if (answered.kind !== "answer") throw new TypeError("a venue process answered another question");
    return answered.answer;
  }

  /** The same for a job that manages keys. A secret in the answer is sealed to `replyTo`. */
  async manageKeys(
    job: KeyJob,
    credentials: readonly SecretFields[],
    replyTo: Uint8Array,
  ): Promise<KeyAnswer> {
    const answered = await this.#exchange((id, publicKey) => {
      const sealed = credentials.map((fields) => sealFields(fields, publicKey));
      return { kind: "keyCall", id, job, sealed, replyTo };
    });
    if (answered.kind !== "keyAnswer") throw new TypeError("a venue process answered another question");
    return answered.answer;
  }

  /** Ends the process; calls under way fail with `ProcessLost`. */
  async stop(): Promise<void> {
    if (this.#lost) return;
    const ended = once(this.#process, "exit");
    this.#process.ref();
    this.#process.kill("SIGKILL");
    await ended;
  }

  async #exchange(message: (id: number, publicKey: Uint8Array) => ToProcess): Promise<Answered> {
    if (this.#lost) throw new ProcessLost("the venue process has ended");
    const id = this.#calls;
    this.#calls += 1;
    const answer = Promise.withResolvers<Answered>();
    this.#waiting.set(id, answer);
    // When the process is lost before it is ready, nobody comes to await this.
    answer.promise.catch(() => {});
    this.#process.ref();
    this.#process.channel?.ref();
    try {
      this.#send(message(id, await this.#ready.promise));
      return await answer.promise;
    } finally {
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#unref();
    }
  }

  #receive(message: FromProcess): void {
    if (message.kind === "ready") return this.#ready.resolve(message.publicKey);
    this.#memory = message.memory;
    this.#waiting.get(message.id)?.resolve(message);
  }

  #lose(): void {
    this.#lost = true;
    const lost = new ProcessLost("the venue process has ended");
    this.#ready.reject(lost);
    for (const answer of this.#waiting.values()) answer.reject(lost);
  }

  #send(message: ToProcess): void {
    // The exit event tells of a process that is gone.
    if (!this.#lost) this.#process.send(message, () => {});
  }

  /** An idle venue process does not keep this one alive. */
  #unref(): void {
    this.#process.unref();
    this.#process.channel?.unref();
  }
}
