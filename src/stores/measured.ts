import type { StoreName } from "../config/stores.ts";
import type { Denied, Unavailable } from "../remote/failure.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Store } from "./store.ts";

/**
 * The same store, with each operation counted and timed, and each kind of failure logged once when it begins.
 */
export function measured(
  store: Store,
  {
    metrics,
    log,
  }: Readonly<{
    metrics: Pick<Metrics, "storeOperations" | "storeSeconds" | "storeFailures">;
    log: Pick<Log, "warn">;
  }>,
): Store {
  const { name, capabilities } = store;
  const logFailure = failureLog(name, log);
  const measure = async <T extends Parameters<typeof failureOf>[0]>(
    operation: string,
    run: Promise<T>,
  ): Promise<T> => {
    const end = metrics.storeSeconds.startTimer({ store: name, operation });
    const answer = await run;
    end();
    metrics.storeOperations.inc({ store: name, operation, status: answer.outcome });
    const reason = failureOf(answer);
    if (reason !== null) metrics.storeFailures.inc({ store: name, operation, reason });
    logFailure(operation, reason);
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

/** A reader expects a secret, so an absence counts as a failure too. */
function failureOf(answer: Readonly<{ outcome: string }> | Unavailable | Denied): string | null {
  if ("reason" in answer) return answer.reason;
  return answer.outcome === "absent" || answer.outcome === "conflict" ? answer.outcome : null;
}

/** Logs a line when an operation begins to fail for another reason than before, not for each request. */
function failureLog(
  store: StoreName,
  log: Pick<Log, "warn">,
): (operation: string, reason: string | null) => void {
  const last = new Map<string, string | null>();
  return (operation, reason) => {
    if (reason !== null && last.get(operation) !== reason)
      log.warn("a store fails", { store, operation, reason });
    last.set(operation, reason);
  };
}
