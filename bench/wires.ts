import { Wire } from "./wire.ts";

type Waiting = Readonly<{ request: Uint8Array; answered: (succeeded: boolean) => void }>;

/** As many connections to a server as its answers demand, up to `most`; what comes beyond that waits its turn. */
export class Wires implements Disposable {
  readonly #origin: string;
  readonly #most: number;
  readonly #idle: Wire[] = [];
  readonly #waiting: Waiting[] = [];
  #open = 0;

  constructor(origin: string, most: number) {
    this.#origin = origin;
    this.#most = most;
  }

  /** Resolves to whether there was a whole answer of status 200. */
  send(request: Uint8Array): Promise<boolean> {
    return new Promise((answered) => {
      this.#waiting.push({ request, answered });
      const wire = this.#idle.pop();
      if (wire !== undefined) this.#next(wire);
      else if (this.#open < this.#most) void this.#add();
    });
  }

  [Symbol.dispose](): void {
    for (const wire of this.#idle) wire.close();
  }

  async #add(): Promise<void> {
    this.#open += 1;
    const wire = await Wire.open(this.#origin).catch(() => null);
    if (wire !== null) return this.#next(wire);
    this.#open -= 1;
    this.#waiting.shift()?.answered(false);
  }

  /** One that failed is not used again. */
  #next(wire: Wire): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#idle.push(wire);
      return;
    }
    wire.send(next.request, (succeeded) => {
      next.answered(succeeded);
      if (succeeded) return this.#next(wire);
      wire.close();
      this.#open -= 1;
      if (this.#waiting.length > 0) void this.#add();
    });
  }
}
