import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Installation } from "../testkit/embedded-installation.ts";
import { freePort } from "../testkit/free-port.ts";
import { type Child, forkChild, nextMessage, startChild } from "./children.ts";

/** A server process under test. */
export type Server = Child &
  Readonly<{ origin: string; /** From its spawn until it said that it is ready. */ startMs: number }>;

/** Where the bare route finds its members and its signing key. */
export const bareRouteJob = z.object({ folder: z.string(), databaseUrl: z.string() });
const bareRouteAnswer = z.object({ url: z.string() });

/** Limits far above what a bench sends: the way that a request goes through them stays the same. */
const unlimited = "100000000";

/** The service as `npm start` runs it, with its own settings but for the limits. Its log lines are written, to nowhere. */
export async function startService(environment: Readonly<Record<string, string>>): Promise<Server> {
  const port = await freePort();
  const main = join(import.meta.dirname, "../src/main.ts");
  const started = performance.now();
  const child = await startChild(process.execPath, ["--disable-sigusr1", "--report-exclude-env", main], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      KEYHOLD_PORT: String(port),
      KEYHOLD_METRICS_PORT: "0",
      KEYHOLD_REQUESTS_PER_MINUTE: unlimited,
      KEYHOLD_REVEALS_PER_MINUTE: unlimited,
      ...environment,
    },
  });
  const origin = `http://127.0.0.1:${port}`;
  await becomesReady(child, origin);
  return { ...child, origin, startMs: performance.now() - started };
}

/** A fastify route with the same check of the token and nothing behind it. */
export async function startBareRoute({ folder, databaseUrl }: Installation): Promise<Server> {
  const job: z.output<typeof bareRouteJob> = { folder, databaseUrl };
  const started = performance.now();
  const child = await forkChild(join(import.meta.dirname, "bare-route.ts"), job);
  const { url } = bareRouteAnswer.parse(await nextMessage(child));
  return { ...child, origin: url, startMs: performance.now() - started };
}

async function becomesReady({ process: child }: Child, origin: string): Promise<void> {
  while (child.exitCode === null && child.signalCode === null) {
    const response = await fetch(`${origin}/health/ready`).catch(() => null);
    await response?.body?.cancel();
    if (response?.status === 200) return;
    await sleep(5);
  }
  throw new Error("the service ended before it was ready");
}
