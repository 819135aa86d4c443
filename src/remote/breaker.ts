import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
  type IBreaker,
} from "cockatiel";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { isUnavailable, throwUnavailable } from "./failure.ts";

export type BreakerState = "closed" | "half_open" | "open";

const openForMs = 5000;
const inARow = 5;
const sampledSeconds = 10;
const leastSampled = 20;

/**
 * A circuit breaker: it stops the calls to a remote system that does not answer. It opens after five failures
 * in a row, or when half of at least twenty calls within ten seconds failed, and lets one call through after
 * five seconds. Only `unavailable` counts as a failure, because a refusal is an answer.
 */
export class Breaker {
  readonly #policy: CircuitBreakerPolicy;

  constructor(onState: (state: BreakerState) => void = () => undefined) {
    const breaker = new EitherBreaker([new ConsecutiveBreaker(inARow), new ShareBreaker()]);
    this.#policy = circuitBreaker(handleWhen(isUnavailable), { halfOpenAfter: openForMs, breaker });
    this.#policy.onStateChange((state) => onState(nameOf(state)));
  }

  /** Throws what `work` throws, and `circuit_open` without calling it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await this.#policy.execute(work);
    } catch (error) {
      if (error instanceof BrokenCircuitError) throwUnavailable("circuit_open");
      throw error;
    }
  }
}

/** Opens when one of several breakers would open. Each of them sees every call. */
class EitherBreaker implements IBreaker {
  readonly #breakers: readonly IBreaker[];
  /** The interface demands it; no state is kept across processes. */
  state: unknown = null;

  constructor(breakers: readonly IBreaker[]) {
    this.#breakers = breakers;
  }

  success(state: CircuitState): void {
    for (const breaker of this.#breakers) breaker.success(state);
  }

  failure(state: CircuitState): boolean {
    return this.#breakers.map((breaker) => breaker.failure(state)).includes(true);
  }
}

/**
 * Opens when half of the calls of the last ten seconds failed. The `SamplingBreaker` of cockatiel ends one of
 * its windows with a call and never by time: at one call in two seconds it would count the calls of twenty
 * seconds.
 */
class ShareBreaker implements IBreaker {
  state: unknown = null;
  #seconds: { readonly at: number; calls: number; failures: number }[] = [];

  success(state: CircuitState): void {
    if (state === CircuitState.HalfOpen) this.#seconds = [];
    this.#count(0);
  }

  failure(): boolean {
    this.#count(1);
    const calls = this.#seconds.reduce((sum, second) => sum + second.calls, 0);
    const failures = this.#seconds.reduce((sum, second) => sum + second.failures, 0);
    return calls >= leastSampled && failures * 2 >= calls;
  }

  #count(failures: number): void {
    const at = Math.floor(Date.now() / 1000);
    this.#seconds = this.#seconds.filter((second) => second.at > at - sampledSeconds);
    const last = this.#seconds.at(-1);
    const current = last?.at === at ? last : { at, calls: 0, failures: 0 };
    if (current !== last) this.#seconds.push(current);
    current.calls += 1;
    current.failures += failures;
  }
}

function nameOf(state: CircuitState): BreakerState {
  if (state === CircuitState.Closed) return "closed";
  return state === CircuitState.HalfOpen ? "half_open" : "open";
}

const states = ["closed", "half_open", "open"] as const satisfies readonly BreakerState[];

/** Sets the metric of a breaker's state, and logs when it opens and closes. */
export function watchBreaker(
  store: string,
  { metrics, log }: Readonly<{ metrics: Pick<Metrics, "storeBreaker">; log: Log }>,
): (state: BreakerState) => void {
  const show = (state: BreakerState): void => {
    for (const one of states) metrics.storeBreaker.set({ store, state: one }, one === state ? 1 : 0);
  };
  show("closed");
  return (state) => {
    show(state);
    if (state === "open")
      log.error("a store fails again and again and is left alone for some seconds", { store });
    if (state === "closed") log.info("a store answers again", { store });
  };
}
