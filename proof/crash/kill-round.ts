import pMap from "p-map";
import type { Ground } from "../ground.ts";
import { type Case, type Killed, use } from "./condition.ts";
import { type Effect, type Point, pointsOf } from "./effects.ts";
import { rehearse, runAndKill, type Work } from "./processes.ts";
import { prepareVictim } from "./victims.ts";

/** Some work, and the effects that it has when nobody kills it. */
export type Rehearsed = Readonly<{ work: Work; effects: readonly Effect[] }>;

const processesAtOnce = 2;
const victimsAtOnce = 6;
/** Each may hold a connection when it is killed, of which the database has a hundred. */
const writersInProcess = 16;

export async function rehearseAll(ground: Ground, works: readonly Work[]): Promise<readonly Rehearsed[]> {
  const rehearseOne = async (work: Work): Promise<Rehearsed> => {
    const writer = await prepareVictim(ground, work, null);
    return { work, effects: await rehearse(ground, work, writer) };
  };
  return pMap(works, rehearseOne, { concurrency: processesAtOnce });
}

/** Kills processes until each work was killed at each of its points once. Answers who worked in each of them. */
export async function killRound(
  ground: Ground,
  all: readonly Rehearsed[],
): Promise<readonly (readonly Killed[])[]> {
  const processes = all.flatMap((rehearsed) =>
    inParts(pointsOf(rehearsed.effects)).map((points) => ({ rehearsed, points })),
  );
  const killOne = async ({
    rehearsed: { work, effects },
    points,
  }: (typeof processes)[number]): Promise<readonly Killed[]> => {
    const prepare = async (point: Point): Promise<Case> => {
      const effect = effects[point.at - 1]?.name ?? "";
      return { work, effect, point, victim: await prepareVictim(ground, work, point) };
    };
    const cases = await pMap(points, prepare, { concurrency: victimsAtOnce });
    await runAndKill(
      ground,
      work,
      cases.map(({ victim }) => victim),
    );
    // Before anything else is done: a use must succeed at this very moment.
    const useNow = async (one: Case): Promise<Killed> => ({ ...one, secret: await use(ground, one) });
    return pMap(cases, useNow, { concurrency: victimsAtOnce });
  };
  return pMap(processes, killOne, { concurrency: processesAtOnce });
}

/** As few as there have to be, and each as large as the others. */
function inParts(points: readonly Point[]): readonly (readonly Point[])[] {
  const parts = Math.ceil(points.length / writersInProcess);
  return Array.from({ length: parts }, (_, part) => points.filter((_, index) => index % parts === part));
}
