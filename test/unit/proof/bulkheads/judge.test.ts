import { describe, expect, test } from "vitest";
import { harmOf, judgeOff, judgeOn, type Observation, rowOf } from "../../../../proof/bulkheads/judge.ts";
import type { Call } from "../../../../proof/bulkheads/victim.ts";
import { fired, held } from "../../../../proof/proof.ts";

const good: Call = { kind: "show", ms: 5, status: 200, code: "", unknownUnsent: false };
const failed: Call = { ...good, status: 503, code: "not_ready" };

function observe(calls: readonly Call[], facts: Partial<Observation> = {}): Observation {
  return {
    way: "a way",
    defence: "on",
    stalls: 0,
    roundsMissed: 0,
    seconds: 45,
    attacks: 9,
    calls,
    ...facts,
  };
}

const many = (call: Call, count = 1_000): readonly Call[] => Array.from({ length: count }, () => call);
const quiet = observe(many(good), { defence: "quiet" });

describe("a victim behind every defence", () => {
  test("is unharmed when all calls succeed as quickly as without an attack", () => {
    const rows = [rowOf(observe(many(good)), quiet)];
    expect(judgeOn(rows).every(held)).toBe(true);
    expect(judgeOn(rows).map(({ tried }) => tried)).toEqual([1_000, 1, 1]);
  });

  test.each([
    ["one call fails", observe([...many(good), failed]), 0],
    ["calls become slow", observe(many({ ...good, ms: 8 })), 1],
    ["there were too few calls to tell", observe(many(good, 999)), 1],
    ["a job of the clock misses a round", observe(many(good), { roundsMissed: 1 }), 2],
  ])("is harmed when %s", (_what, observation, promise) => {
    expect(judgeOn([rowOf(observation, quiet)]).map(({ broken }) => broken > 0)).toEqual(
      [0, 1, 2].map((at) => at === promise),
    );
  });
});

describe("a victim without the first defence", () => {
  test("loses no more than one call for each process that stalled", () => {
    const lost = [...many(good), failed, failed];
    expect(judgeOff([rowOf(observe(lost, { stalls: 2 }), quiet)]).every(held)).toBe(true);
    expect(judgeOff([rowOf(observe(lost, { stalls: 1 }), quiet)]).filter((one) => !held(one))).toHaveLength(
      1,
    );
  });

  test("never has an order that was not sent end with an unknown outcome", () => {
    const unknown: Call = { ...good, status: 503, code: "outcome_unknown", unknownUnsent: true };
    const promises = judgeOff([rowOf(observe([...many(good), unknown], { stalls: 1 }), quiet)]);
    expect(promises.filter((one) => !held(one)).map(({ broken }) => broken)).toEqual([1]);
  });

  test("has no call that takes longer than two seconds", () => {
    const promises = judgeOff([rowOf(observe([...many(good), { ...good, ms: 2_001 }]), quiet)]);
    expect(promises.filter((one) => !held(one))).toHaveLength(1);
  });
});

describe("an older version under attack", () => {
  test("counts as a control only when the attack harmed the victim", () => {
    const control = (observation: Observation) => ({
      build: "x",
      promise: harmOf(rowOf(observation, quiet)),
    });
    expect(fired(control(observe([...many(good), failed])))).toBe(true);
    expect(fired(control(observe(many({ ...good, ms: 9 }))))).toBe(true);
    expect(fired(control(observe(many(good))))).toBe(false);
  });
});
