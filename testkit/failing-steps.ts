import type { Pool } from "pg";
import type { Stores } from "../src/stores/store.ts";

/** `before`: it does not happen. `after`: it happens, and its answer is lost. */
export type Breakage = "before" | "after";

/** Counts statements and calls of stores from a moment on, and makes one of them fail. */
export class Steps {
  #counting = false;
  #seen = 0;
  #failing = 0;
  #breakage: Breakage = "before";

  /** From `begin` on, the step of this number fails; the first is 1. */
  failAt(step: number, breakage: Breakage): void {
    this.#failing = step;
    this.#breakage = breakage;
    this.#seen = 0;
    this.#counting = false;
  }

  begin(): void {
    this.#counting = true;
  }

  /** Nothing fails any more. Answers whether something did. */
  end(): boolean {
    this.#counting = false;
    return this.#seen >= this.#failing;
  }

  async run(step: () => Promise<unknown>, breakage = this.#breakage): Promise<unknown> {
    if (this.#counting) this.#seen += 1;
    const fails = this.#counting && this.#seen === this.#failing;
    if (fails && breakage === "before") throw failure();
    const answer = await step();
    if (fails) throw failure();
    return answer;
  }
}

function failure(): Error {
  return Object.assign(new Error("terminating connection due to administrator command"), { code: "57P01" });
}

/** The same pool, whose statements are steps, and whose connections are hard to get in the same way. */
export function failingPool(pool: Pool, steps: Steps): Pool {
  return stepping(pool, steps, ["query"], (name, connect) =>
    name === "connect"
      ? async () => {
          // A connection that was made and lost would be missing from the pool, which is another fault.
          const client = await steps.run(async () => connect(), "before");
          return typeof client === "object" && client !== null ? stepping(client, steps, ["query"]) : client;
        }
      : undefined,
  );
}

/** The same stores, whose calls are steps. */
export function failingStores(stores: Stores, steps: Steps): Stores {
  const first = stepping(stores.first, steps, ["get", "put", "destroy"]);
  return { ...stores, first, get: (name) => (name === first.name ? first : stores.get(name)) };
}

type Wrap = (name: string | symbol, call: () => unknown) => (() => Promise<unknown>) | undefined;

function stepping<T extends object>(
  target: T,
  steps: Steps,
  names: readonly string[],
  wrap: Wrap = () => undefined,
): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const call = (...given: unknown[]): unknown => Reflect.apply(value, target, given);
      const wrapped = wrap(name, call);
      if (wrapped !== undefined) return wrapped;
      if (typeof name !== "string" || !names.includes(name)) return call;
      return (...given: unknown[]) => steps.run(async () => call(...given));
    },
  });
}
