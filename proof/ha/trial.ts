import { setTimeout as sleep } from "node:timers/promises";
import type { Service } from "../../testkit/service.ts";
import { until } from "../../testkit/until.ts";
import { type Book, openBook, type Origins } from "./book.ts";
import { type Desk, openDesk } from "./desk.ts";
import type { FaultName, Findings, Strike } from "./events.ts";
import { faults } from "./faults.ts";
import { Load } from "./load.ts";
import { readBack } from "./read-back.ts";
import type { Site } from "./site.ts";

/** A program in place of the service, with its arguments; the service itself when left out. */
export type Build = readonly [path: string, ...argv: string[]] | undefined;

export type Plan = Readonly<{
  faults: readonly FaultName[];
  /** Milliseconds of load before the first fault, and after each. */
  calmMs: number;
  /** Milliseconds that copies lie unused before all nodes are killed. After five minutes the store would be asked first. */
  copiesAgeMs: number;
  frozenMs: number;
  downMs: number;
  /** Who serves what; two of one build are still two processes. */
  builds: Readonly<Record<"writes" | "reads", Build>>;
  /** Cached reads go to the process of other reads when left out. */
  cachedBuild?: Build;
  /** What the load has to have seen before it ends, if it sees it within a minute. */
  enough?: (load: Load) => boolean;
}>;

type Served = Readonly<{ origins: Origins; cached: Service; stop(): Promise<void> }>;

/** Puts load on Keyhold, causes the faults one after the other, and reads everything back at the end. */
export async function runTrial(site: Site, plan: Plan, say: (line: string) => void): Promise<Findings> {
  const served = await serve(site, plan);
  const desk = await openDesk(site, served.origins.writes);
  const book = await openBook(desk, served.origins);
  const load = new Load({ desk, origins: served.origins, book });
  const strikes = await strikeAll(site, plan, load, say);
  const { enough = () => true } = plan;
  await until("enough", async () => (enough(load) ? true : null), 60_000).catch(() => undefined);
  await load.stop();
  const lookUps = await countLookUps(served.cached);
  await served.stop();
  say("reading everything back by way of a process without copies");
  return { ...(await conclude(site, { desk, book, load })), strikes, lookUps };
}

type Ended = Readonly<{ desk: Desk; book: Book; load: Load }>;

/** What came of a load that has stopped: by Keyhold's own account in a new process, and by the venue's. */
export async function conclude(
  site: Site,
  { desk, book, load }: Ended,
): Promise<Omit<Findings, "strikes" | "lookUps">> {
  const orders = load.orders.map((order) => ({ ...order, times: desk.timesAtVenue(order) }));
  return { ...(await readBack(site, book.all)), events: load.events, orders };
}

async function serve(site: Site, { builds, cachedBuild }: Plan): Promise<Served> {
  const writing = await site.serve(builds.writes);
  const reading = await site.serve(builds.reads);
  const cached = cachedBuild === undefined ? reading : await site.serve(cachedBuild);
  return {
    origins: { writes: writing.url, reads: reading.url, cached: cached.url },
    cached,
    stop: async () => void (await Promise.all([writing, reading, cached].map((service) => service.stop()))),
  };
}

async function strikeAll(
  { cluster }: Site,
  { faults: names, calmMs, copiesAgeMs, frozenMs, downMs }: Plan,
  load: Load,
  say: (line: string) => void,
): Promise<readonly Strike[]> {
  const strikes: Strike[] = [];
  const began = performance.now();
  await load.recovered(0);
  await sleep(calmMs);
  for (const name of names) {
    if (name === "all-killed") await sleep(Math.max(0, began + copiesAgeMs - performance.now()));
    let at = 0;
    const striking = (what: string): void => {
      say(what);
      at = performance.now();
      strikes.push({ fault: name, at });
      load.release();
      // With the store away for certain, copies that are old by now have to do.
      if (name === "all-killed") load.wake();
    };
    await faults[name]({ cluster, striking, recovered: () => load.recovered(at), frozenMs, downMs });
    await load.recovered(at);
    await cluster.waitForVoters();
    await sleep(calmMs);
  }
  return strikes;
}

/** By the metrics of the service; nothing where a program has none. */
async function countLookUps({ metricsUrl }: Service): Promise<Findings["lookUps"]> {
  const text = metricsUrl === "" ? "" : await (await fetch(metricsUrl)).text();
  const of = (source: string): number => {
    const line = new RegExp(
      `^keyhold_store_look_ups_total\\{store="vault",source="${source}"\\} (\\d+)$`,
      "m",
    );
    return Number(line.exec(text)?.[1] ?? 0);
  };
  return { fresh: of("fresh"), grace: of("grace"), store: of("store") };
}
