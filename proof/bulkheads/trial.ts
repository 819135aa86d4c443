import type { Stage } from "../proof.ts";
import { openAttacker, pause } from "./attacker.ts";
import type { Observation } from "./judge.ts";
import { readJobRuns, readStalls } from "./metrics.ts";
import { openSite } from "./site.ts";
import { openVictim, type Victim } from "./victim.ts";
import type { Way } from "./way.ts";

export type Trial = Readonly<{
  way: Way;
  program: readonly [path: string, ...argv: string[]];
  defence: Exclude<Observation["defence"], "quiet">;
  /** Length of the quiet run; the attack lasts as long, or as long as its way needs. */
  quietSeconds: number;
}>;

/** The service works once in peace and once under attack, and the victim's calls are noted in both. */
export async function runTrial(
  { way, program, defence, quietSeconds }: Trial,
  say: Stage["say"],
): Promise<readonly [quiet: Observation, attacked: Observation]> {
  await using undo = new AsyncDisposableStack();
  const site = await openSite(program, undo);
  const [victim, attacker] = [await openVictim(site), await openAttacker(site)];
  const ground = { site, attacker };
  say(`${way.name}, ${defence}: the attacker prepares`);
  await way.prepare(ground);
  const metricsUrl = site.service.metricsUrl;
  const watch = { victim, metricsUrl, attacks: () => attacker.sent, way: way.name };
  await observe({ ...watch, defence, seconds: warmUpSeconds, during: () => Promise.resolve() });
  say(`${way.name}, ${defence}: quiet`);
  const none = () => Promise.resolve();
  const quiet = await observe({ ...watch, defence: "quiet", seconds: quietSeconds, during: none });
  say(`${way.name}, ${defence}: under attack`);
  const seconds = Math.max(way.seconds, quietSeconds);
  const attacked = await observe({
    ...watch,
    defence,
    seconds,
    during: async (until) => {
      const disarmed = defence === "off" ? way.disarm?.(ground, until) : undefined;
      const attack = (defence === "off" ? way.planted : undefined) ?? way.attack;
      await Promise.all([disarmed, attack(ground, until)]);
    },
  });
  return [quiet, attacked];
}

/** Venue processes start, markets load and plans are made before anything counts. */
const warmUpSeconds = 10;
const roundMs = 60_000;

type Watch = Readonly<{
  way: string;
  defence: Observation["defence"];
  victim: Victim;
  metricsUrl: string;
  attacks: () => number;
  seconds: number;
  during: (until: AbortSignal) => Promise<void>;
}>;

async function observe(watch: Watch): Promise<Observation> {
  const { way, defence, victim, metricsUrl, attacks, seconds, during } = watch;
  const before = {
    jobs: await readJobRuns(metricsUrl),
    stalls: await readStalls(metricsUrl),
    attacks: attacks(),
  };
  const end = new AbortController();
  const began = performance.now();
  const working = victim.work(end.signal);
  const attacking = during(end.signal);
  await pause(seconds * 1000, end.signal);
  end.abort();
  const [calls] = await Promise.all([working, attacking]);
  const lastedMs = performance.now() - began;
  const after = { jobs: await readJobRuns(metricsUrl), stalls: await readStalls(metricsUrl) };
  const rounds = [...before.jobs].map(([job, runs]) => (after.jobs.get(job) ?? 0) - runs);
  // A round may have begun before and another end after.
  const due = Math.max(0, Math.floor(lastedMs / roundMs) - 1);
  return {
    way,
    defence,
    calls,
    stalls: after.stalls - before.stalls,
    roundsMissed: Math.max(0, due - Math.min(due, ...rounds)),
    seconds: lastedMs / 1000,
    attacks: attacks() - before.attacks,
  };
}
