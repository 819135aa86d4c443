import { describe, expect, test } from "vitest";
import { Chance } from "../../../../proof/kill/chance.ts";
import { kinds, planKills } from "../../../../proof/kill/kinds.ts";

const calm = [3000, 8000] as const;

const counts = (kills: number, seed = 1): readonly number[] => {
  const planned = planKills(kills, calm, new Chance(seed));
  return kinds.map((wanted) => planned.filter(({ kind }) => kind === wanted).length);
};

describe("kills that are planned", () => {
  test.each([
    [30, [12, 9, 6, 3]],
    [60, [24, 18, 12, 6]],
    [10, [4, 3, 2, 1]],
  ])("are %i in the proportion of %j", (kills, expected) => {
    expect(counts(kills)).toEqual(expected);
  });

  test.each([1, 7, 31, 47])("are %i where the proportion does not come out even", (kills) => {
    expect(counts(kills).reduce((sum, count) => sum + count, 0)).toBe(kills);
  });

  test("are four of four kinds where there are four", () => {
    expect(counts(4)).toEqual([1, 1, 1, 1]);
    expect(counts(3)).toEqual([1, 1, 1, 0]);
  });

  test("have every third followed by a kill of the next start", () => {
    const also = planKills(30, calm, new Chance(7)).filter(({ startKilledAtMs }) => startKilledAtMs !== null);
    expect(also).toHaveLength(10);
  });

  test("come in the order and at the distances that the seed decides", () => {
    const plan = (seed: number) => planKills(30, calm, new Chance(seed));
    expect(plan(42)).toEqual(plan(42));
    expect(plan(42)).not.toEqual(plan(43));
    for (const { calmMs } of plan(42)) expect(calmMs >= calm[0] && calmMs < calm[1]).toBe(true);
  });
});
