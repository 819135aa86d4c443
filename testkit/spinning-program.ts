/**
 * The program of a venue process with a planted fault: a call with the API key `spin-20000` holds the event loop for 20 seconds before its
 * first request, and one with `late-spin-20000` after it may have left.
 */
import { createPerformer } from "../src/venues/process/perform.ts";
import { serveCalls } from "../src/venues/process/serve-calls.ts";

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

serveCalls((settings, options) => {
  const perform = createPerformer(settings, options);
  return async (job, credentials, options) => {
    const key = credentials[0]?.get("api_key") ?? "";
    const ms = Number(/^(?:late-)?spin-(\d+)/.exec(key)?.[1] ?? 0);
    if (key.startsWith("late-")) await options?.leaving?.();
    if (ms > 0) spin(ms);
    return perform(job, credentials, options);
  };
});
