import type { Chance } from "./chance.ts";

/** Who is killed (SIGKILL). A backend is the PostgreSQL process of one connection, the postmaster the one that started them all. */
export const kinds = ["service", "service and backend", "postmaster", "service and postmaster"] as const;
export type Kind = (typeof kinds)[number];

/** Of thirty. */
const shares: Readonly<Record<Kind, number>> = {
  service: 12,
  "service and backend": 9,
  postmaster: 6,
  "service and postmaster": 3,
};

/** Every so many kills the next start is killed as well. */
const startKilledEvery = 3;
/** Longer than most starts take. */
const longestStartMs = 1500;

export type Planned = Readonly<{
  kind: Kind;
  /** Milliseconds of work before it. */
  calmMs: number;
  /** When the service that is started after it is killed, too, in milliseconds of its start; `null` when it is not. */
  startKilledAtMs: number | null;
}>;

/** So many kills, each kind in its proportion and at least once where there are four or more, in an order of chance. */
export function planKills(
  kills: number,
  [least, most]: readonly [calmMs: number, calmMs: number],
  chance: Chance,
): readonly Planned[] {
  const drawn = chance.shuffled(countsOf(kills).flatMap(([kind, count]) => Array<Kind>(count).fill(kind)));
  return drawn.map((kind, index) => ({
    kind,
    calmMs: chance.between(least, most),
    startKilledAtMs: index % startKilledEvery === 1 ? chance.between(0, longestStartMs) : null,
  }));
}

/** What is left over by rounding goes to those who lost most of it. */
function countsOf(kills: number): readonly (readonly [Kind, number])[] {
  const least = kills >= kinds.length ? 1 : 0;
  const rounded = kinds.map((kind) => {
    const share = (shares[kind] * kills) / 30;
    const count = Math.max(least, Math.floor(share));
    return { kind, count, loss: share - count };
  });
  const missing = kills - rounded.reduce((sum, { count }) => sum + count, 0);
  const byLoss = rounded.toSorted((a, b) => b.loss - a.loss);
  const raised = new Set(byLoss.slice(0, missing).map(({ kind }) => kind));
  return rounded.map(({ kind, count }) => [kind, count + (raised.has(kind) ? 1 : 0)]);
}
