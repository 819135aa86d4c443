import type { Denied, Unavailable } from "../remote/failure.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Store } from "./store.ts";
import type { StoreName } from "../config/stores.ts";

type Needs = Readonly<{
  metrics: Pick<Metrics, "storeOperations" | "storeSeconds" | "storeFailures">;
  log: Pick<Log, "warn">;
}>;
type Answer = Readonly<{ outcome: string }> | Unavailable | Denied;

/** The same store, with every operation counted and timed, and each kind of failure logged when it begins. */
export function measured(store: Store, { metrics, log }: Needs): Store {
  const { name, capabilities } = store;
  const tell = failureTeller(name, log);
  const measure = async <T extends Answer>(operation: string, run: Promise<T>): Promise<T> => {
    const end = metrics.storeSeconds.startTimer({ store: name, operation });
    const answer = await run;
    end();
    metrics.storeOperations.inc({ store: name, operation, status: answer.outcome });
    const reason = failureOf(answer);
    if (reason !== null) metrics.storeFailures.inc({ store: name, operation, reason });
    tell(operation, reason);
    return answer;
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

/** Whoever reads expects to find: an absence is a failure too. */
function failureOf(answer: Answer): string | null {
  if ("reason" in answer) return answer.reason;
  return answer.outcome === "absent" || answer.outcome === "conflict" ? answer.outcome : null;
}

/** One line where an operation begins to fail in another way than before, not one for each request. */
function failureTeller(
  store: StoreName,
  log: Needs["log"],
): (operation: string, reason: string | null) => void {
  const last = new Map<string, string | null>();
  return (operation, reason) => {
    if (reason !== null && last.get(operation) !== reason)
      log.warn("a store fails", { store, operation, reason });
    last.set(operation, reason);
  };
}
