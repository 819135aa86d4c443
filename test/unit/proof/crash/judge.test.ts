import { describe, expect, test } from "vitest";
import type { Cut, Findings, Found } from "../../../../proof/crash/findings.ts";
import { type CrashPromises, judge, pointsIn, rowsOf } from "../../../../proof/crash/judge.ts";
import { held } from "../../../../proof/proof.ts";

const whole: Found = { secret: "new", inForce: 1, current: 1, orphans: [] };
const nothing: Found = { secret: "none", inForce: 0, current: 0, orphans: [] };
const old: Found = { ...whole, secret: "old" };

const cut = (changes: Partial<Cut> = {}): Cut => ({
  store: "file",
  scenario: "rotate",
  at: 1,
  moment: "before",
  effect: "a commit",
  before: old,
  after: old,
  repeated: true,
  ...changes,
});

/** One of everything, and all of it as it must be. */
const good: Findings = {
  cuts: [
    cut(),
    cut({ at: 2, before: { ...whole, orphans: ["intent to destroy"] }, after: whole, repeated: null }),
    cut({ scenario: "register", before: nothing, after: nothing }),
    cut({ scenario: "register", at: 2, before: whole, after: whole, repeated: null }),
  ],
  rounds: [{ processes: 4, seconds: 0.1, changedAgain: false }],
};

const broken = (findings: Findings): readonly string[] =>
  Object.entries(judge(findings)).flatMap(([name, promise]) => (held(promise) ? [] : [name]));

const withCut = (changes: Partial<Cut>): Findings => ({ ...good, cuts: [...good.cuts, cut(changes)] });
const always = (found: Partial<Found>): Partial<Cut> => ({
  before: { ...old, ...found },
  after: { ...old, ...found },
});

describe("what is promised of a process that is killed", () => {
  test("holds where everything is as it must be", () => {
    expect(broken(good)).toEqual([]);
  });

  const breaches: readonly (readonly [keyof CrashPromises, string, Findings])[] = [
    ["working", "neither the old secret nor the new one works", withCut(always({ secret: "lost" }))],
    [
      "working",
      "a credential that was there is gone",
      withCut({ before: nothing, after: nothing, repeated: null }),
    ],
    [
      "working",
      "an old secret works again after its rotation was over",
      withCut({ ...always({}), scenario: "finish", repeated: null }),
    ],
    ["inForce", "two versions are in force", withCut(always({ current: 2 }))],
    ["inForce", "the credential points at another version", withCut(always({ inForce: 0 }))],
    ["inForce", "the reconciler leaves two in force", withCut({ after: { ...old, current: 2 } })],
    [
      "inForce",
      "a version is in force of what was never registered",
      withCut({ scenario: "register", before: nothing, after: { ...nothing, current: 1 } }),
    ],
    ["orphans", "something is left that belongs to nothing", withCut({ after: { ...old, orphans: ["x"] } })],
    ["unchanged", "the reconciler puts another secret in force", withCut({ after: whole })],
    ["repeated", "the work cannot be done again", withCut({ repeated: false })],
    [
      "again",
      "a second run changes something",
      { ...good, rounds: [...good.rounds, { processes: 4, seconds: 0.1, changedAgain: true }] },
    ],
  ];
  test.for(breaches)("%s: it is broken when %s", ([name, , findings]) => {
    expect(broken(findings)).toEqual([name]);
  });

  test("does not hold where it was never put to the test", () => {
    expect(broken({ cuts: [], rounds: [] })).toEqual(Object.keys(judge(good)));
  });

  test("counts as uses what there was to be used, and what should have been there", () => {
    expect(judge(good).working.tried).toBe(3);
    expect(judge(withCut({ before: nothing, after: nothing })).working.tried).toBe(4);
  });
});

describe("the table", () => {
  test("has a row for each kind of work in each store, and one for all", () => {
    const rows = rowsOf([...good.cuts, cut({ store: "postgres" })]);
    expect(rows.map(({ work, store, cutOff }) => [work, store, cutOff])).toEqual([
      ["register", "file", 2],
      ["rotate", "postgres", 1],
      ["rotate", "file", 2],
      ["all", "", 5],
    ]);
    expect(rows.at(-1)).toMatchObject({
      old: 2,
      new: 2,
      none: 1,
      lost: 0,
      orphansBefore: 1,
      orphansAfter: 0,
    });
  });

  test("counts a point once, however often somebody was killed there", () => {
    expect(
      pointsIn([cut(), cut(), cut({ moment: "after" }), cut({ at: 2 }), cut({ store: "postgres" })]),
    ).toBe(4);
  });
});
