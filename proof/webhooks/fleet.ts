import { type Service, startService } from "../../testkit/service.ts";
import { until } from "../../testkit/until.ts";

type Program = Parameters<typeof startService>[1];

/** Processes that send. Whoever is killed is replaced at once. */
export class Fleet {
  readonly #environment: Readonly<Record<string, string>>;
  readonly #program: Program;
  readonly #ready = new Set<Service>();
  readonly #starting: Promise<void>[] = [];
  kills = 0;

  /** The service as a worker when there is no other program. */
  constructor(environment: Readonly<Record<string, string>>, program?: Program) {
    this.#environment = environment;
    this.#program = program;
  }

  async start(processes: number): Promise<void> {
    for (let number = 0; number < processes; number += 1) this.#startOne();
    await Promise.all(this.#starting);
  }

  /** Kills any of those that send now. */
  async killOne(): Promise<void> {
    const victim = await until("a process that sends", async () => this.#any());
    this.#ready.delete(victim);
    await victim.kill();
    this.kills += 1;
    this.#startOne();
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#ready].map((service) => service.stop()));
  }

  #any(): Service | null {
    const all = [...this.#ready];
    return all[Math.floor(Math.random() * all.length)] ?? null;
  }

  #startOne(): void {
    const starting = this.#add();
    starting.catch(() => undefined);
    this.#starting.push(starting);
  }

  async #add(): Promise<void> {
    this.#ready.add(await startService(this.#environment, this.#program));
  }
}
