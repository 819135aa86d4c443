import type { Metrics } from "../telemetry/metrics.ts";
import type { Store } from "./store.ts";

type Counters = Pick<Metrics, "storeOperations" | "storeSeconds">;

/** The same store, with every operation counted and timed. */
export function measured(store: Store, metrics: Counters): Store {
  const { name, capabilities } = store;
  const measure = async <T extends { outcome: string }>(operation: string, run: Promise<T>): Promise<T> => {
    const end = metrics.storeSeconds.startTimer({ store: name, operation });
    const result = await run;
    end();
    metrics.storeOperations.inc({ store: name, operation, status: result.outcome });
    return result;
  };
  return {
    name,
    capabilities,
    put: (ref, fields) => measure("put", store.put(ref, fields)),
    get: (ref) => measure("get", store.get(ref)),
    destroy: (ref) => measure("destroy", store.destroy(ref)),
    health: () => measure("health", store.health()),
  };
}
