import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { BreakerState } from "./breaker.ts";

const states = ["closed", "half_open", "open"] as const satisfies readonly BreakerState[];

/** Shows the state of a store's breaker as a metric, and logs that it opens and closes. */
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
