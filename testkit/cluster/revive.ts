import { setTimeout as sleep } from "node:timers/promises";
import type { Server } from "./server.ts";

/** Long enough to see what the others do without it. */
const restartMs = 10_000;

/** Starts servers again that end, as the service manager of a host would, until `stopped` says so. */
export async function revive(
  servers: readonly Server[],
  say: (line: string) => void,
  stopped: AbortSignal,
): Promise<void> {
  const passes = async (milliseconds: number): Promise<boolean> =>
    sleep(milliseconds, true, { signal: stopped }).catch(() => false);
  while (await passes(500)) {
    const ended = servers.filter((server) => !server.isRunning);
    if (ended.length === 0) continue;
    say(`${namesOf(ended)} ended, and starts again in ten seconds.`);
    if (!(await passes(restartMs))) return;
    const started = await Promise.allSettled(ended.map((server) => server.start()));
    for (const [at, server] of ended.entries()) {
      const result = started[at];
      if (result?.status === "rejected") say(String(result.reason));
      else say(`${server.name} is back, as process ${server.pid}.`);
    }
  }
}

function namesOf(servers: readonly Server[]): string {
  return servers.map(({ name }) => name).join(", ");
}
