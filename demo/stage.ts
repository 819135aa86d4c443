import { createServer } from "node:net";
import type { IssuedKey } from "../simulator/control.ts";
import { type Simulator, startSimulator } from "../simulator/simulator.ts";
import { type App, startApp } from "../src/app.ts";
import { readConfig } from "../src/config/config.ts";
import { createLog } from "../src/telemetry/log.ts";

/** What the steps learn on their way and later ones need: ids by what they name. */
export type Known = Map<"tenant" | "rival" | "account" | "binance" | "alpaca", string>;

/** What the steps know and act on beside the service. */
export type Scene = Readonly<{
  simulator: Simulator;
  /** Keys that somebody made on the web sites of the venues. */
  keys: Readonly<Record<"trading" | "withdrawing" | "paper", IssuedKey>>;
  known: Known;
}>;

/** A scene with the service; disposing of it ends the service and the venues. */
export type Stage = Scene & AsyncDisposable & Readonly<{ app: App }>;

/** Where the service listens by default, and where `keyhold` looks for it. */
const usualPort = 7070;

/**
 * Starts simulated venues and the service itself, with its own PostgreSQL and keys below `folder`. The environment is not read:
 * a demo must not touch a real database.
 */
export async function openStage(folder: string): Promise<Stage> {
  await using undo = new AsyncDisposableStack();
  const simulator = await startSimulator();
  undo.defer(() => simulator.close());
  const config = readConfig({
    KEYHOLD_FOLDER: folder,
    KEYHOLD_PORT: (await isFree(usualPort)) ? String(usualPort) : "0",
    KEYHOLD_METRICS_PORT: "0",
    KEYHOLD_LOG_LEVEL: "error",
    KEYHOLD_VENUE_HOSTS: JSON.stringify(hostsOf(simulator)),
  });
  const app = await startApp(config, createLog(config.logLevel));
  undo.defer(() => app.stop());
  const running = undo.move();
  return { ...openScene(simulator), app, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

export function openScene(simulator: Simulator): Scene {
  const { control } = simulator;
  return {
    simulator,
    keys: {
      trading: control.addKey("binance"),
      withdrawing: control.addKey("binance", { permissions: { withdraw: true } }),
      paper: control.addKey("alpaca", { environment: "paper" }),
    },
    known: new Map(),
  };
}

/** The id that a step before has learned. */
export function idOf({ known }: Scene, name: Parameters<Known["get"]>[0]): string {
  const id = known.get(name);
  if (id === undefined) throw new Error(`no step has learned the id of the ${name}`);
  return id;
}

function hostsOf({ hosts }: Simulator): Record<string, Record<string, string>> {
  const byVenue: Record<string, Record<string, string>> = {};
  for (const { venue, environment, url } of hosts) byVenue[venue] = { ...byVenue[venue], [environment]: url };
  return byVenue;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
