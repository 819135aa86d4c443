import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { until } from "../until.ts";
import type { Answer, Api } from "./api.ts";
import { keep } from "./kept.ts";
import { portsOf } from "./ports.ts";
import type { Program } from "./program.ts";

/** Milliseconds for a server to end by itself after SIGTERM. */
const endsWithinMs = 15_000;

type ServerOptions = Readonly<{
  program: Program;
  api: Api;
  name: string;
  /** Of this server alone; its configuration lies in `config` there. */
  folder: string;
  /** The first of its ports. */
  port: number;
}>;

/** One server's process. Ended ones can be started again, on the same folder and ports. */
export class Server {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly address: string;
  readonly #program: Program;
  readonly #api: Api;
  #environment: Readonly<Record<string, string>> = {};
  #process: ChildProcess | null = null;
  #killed = false;
  #halted = false;

  constructor({ program, api, name, folder, port }: ServerOptions) {
    this.#program = program;
    this.#api = api;
    this.name = name;
    this.folder = folder;
    this.port = port;
    this.address = `https://127.0.0.1:${portsOf(port).api}`;
  }

  get pid(): number | null {
    return this.isRunning ? (this.#process?.pid ?? null) : null;
  }

  /** Also while it is stopped by SIGSTOP. */
  get isRunning(): boolean {
    return this.#process !== null && !this.#killed && !hasEnded(this.#process);
  }

  /** Variables for this server alone: nothing of ours is passed on. */
  set environment(variables: Readonly<Record<string, string>>) {
    this.#environment = variables;
  }

  /** Whether it runs and was not halted by `signal`: one that was answers nobody, and asking it takes as long as one is patient. */
  get canAnswer(): boolean {
    return this.isRunning && !this.#halted;
  }

  /** For SIGKILL, SIGSTOP and SIGCONT. */
  signal(name: NodeJS.Signals): void {
    if (name === "SIGKILL") this.#killed = true;
    if (name === "SIGSTOP" || name === "SIGCONT") this.#halted = name === "SIGSTOP";
    this.#process?.kill(name);
  }

  /** Starts the process unless it runs, and waits until it answers. Throws an `Error` with its last words when it ends instead. */
  async launch(): Promise<void> {
    if (this.isRunning) return;
    if (this.#process !== null && !hasEnded(this.#process)) await once(this.#process, "exit");
    this.#process = await this.#spawn();
    this.#killed = false;
    this.#halted = false;
    await this.#until("an answer", async () => this.health());
  }

  /** Starts it again, and waits until it has unsealed itself. */
  async start(): Promise<void> {
    await this.launch();
    await this.becomeUnsealed();
  }

  /** Waits until it is unsealed, as leader or standby. */
  async becomeUnsealed(): Promise<void> {
    await this.#until("unsealing", async () => {
      const status = (await this.health())?.status;
      return status === 200 || status === 429 ? true : null;
    });
  }

  /** What it says of itself, or null where it says nothing. */
  async health(): Promise<Answer | null> {
    return this.#api.call(this.address, { method: "GET", path: "sys/health" }).catch(() => null);
  }

  async stop(): Promise<void> {
    const running = this.#process;
    if (running === null || hasEnded(running)) return;
    const ended = once(running, "exit");
    running.kill("SIGCONT");
    running.kill("SIGTERM");
    const late = setTimeout(() => running.kill("SIGKILL"), endsWithinMs);
    await ended;
    clearTimeout(late);
  }

  async #spawn(): Promise<ChildProcess> {
    for (const name of ["data", "audit", "audit-spare"])
      await mkdir(join(this.folder, name), { recursive: true, mode: 0o700 });
    await using log = await open(join(this.folder, "log"), "a", 0o600);
    const child = spawn(this.#program.path, ["server", `-config=${join(this.folder, "config")}`], {
      // Where audit devices have their paths from: a device of Vault has the same path on every node.
      cwd: this.folder,
      env: { HOME: this.folder, PATH: process.env["PATH"], ...this.#environment },
      // A session of its own: Ctrl-C in a terminal reaches us, and we end the servers.
      detached: true,
      stdio: ["ignore", log.fd, log.fd],
    });
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    await once(child, "spawn");
    await keep(join(this.folder, "pid"), `${child.pid} ${process.pid}\n`);
    return child;
  }

  async #until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
    return until(`${what} of ${this.name}`, async () => {
      if (!this.isRunning) throw new Error(`${this.name} has ended: ${await this.#lastWords()}`);
      return ask();
    });
  }

  async #lastWords(): Promise<string> {
    const path = join(this.folder, "log");
    const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line.trim() !== "");
    return `${lines.slice(-2).join(" ").slice(-500)} (${path})`;
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
