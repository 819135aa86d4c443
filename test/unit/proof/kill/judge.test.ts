import { describe, expect, test } from "vitest";
import { Kept } from "../../../../proof/ha/kept.ts";
import type { Concluded } from "../../../../proof/kill/conclude.ts";
import { judge, type KillPromises, rowsOf } from "../../../../proof/kill/judge.ts";
import { Entry, Ledger } from "../../../../proof/kill/ledger.ts";
import type { Struck } from "../../../../proof/kill/strike.ts";
import type { Findings } from "../../../../proof/kill/trial.ts";
import { held } from "../../../../proof/proof.ts";

const struck = (changes: Partial<Struck> = {}): Struck => ({
  kind: "service",
  alsoAtStart: false,
  hasSettled: null,
  venueProcesses: 1,
  leftBehind: 0,
  downSeconds: 1,
  ...changes,
});

const checked = { opened: 1, lost: 0, revoked: 1, back: 0, chains: 1, broken: 0 };
const concluded: Concluded = {
  unique: 1,
  notOnce: 0,
  recorded: 1,
  unrecorded: 0,
  orphansBefore: 1,
  orphans: 0,
};

function ledgerWith(changes: Partial<Pick<Ledger, "wrongReveals">> = {}): Ledger {
  const ledger = new Ledger();
  ledger.entries.push(new Entry(new Kept({ token: "token", accountId: "account" }, "account"), "label"));
  ledger.repeats.push({ what: "rotate", attempts: 1, code: null });
  return Object.assign(ledger, { writes: 1, reveals: 1 }, changes);
}

function ledgerThat(happened: (ledger: Ledger) => void): Ledger {
  const ledger = ledgerWith();
  happened(ledger);
  return ledger;
}

/** One of everything, and all of it as it must be. */
const good: Findings = {
  ledger: ledgerWith(),
  starts: [{ seconds: 1, refusal: null }],
  struck: [struck(), struck({ kind: "postmaster", hasSettled: true })],
  checked: [checked],
  concluded,
  seconds: 1,
};

const broken = (findings: Findings): readonly string[] =>
  Object.entries(judge(findings)).flatMap(([name, promise]) => (held(promise) ? [] : [name]));

describe("what is promised", () => {
  test("holds where everything is as it must be", () => {
    expect(broken(good)).toEqual([]);
  });

  const breaches: readonly (readonly [keyof KillPromises, string, Partial<Findings>])[] = [
    ["opened", "a secret cannot be had", { checked: [{ ...checked, lost: 1 }] }],
    ["opened", "a client is given an old secret", { ledger: ledgerWith({ wrongReveals: 1 }) }],
    ["revoked", "a revoked credential is active again", { checked: [{ ...checked, back: 1 }] }],
    ["chains", "a chain does not verify", { checked: [{ ...checked, broken: 1 }] }],
    ["recorded", "a reveal is not in the record", { concluded: { ...concluded, unrecorded: 1 } }],
    ["orphans", "something still belongs to nothing", { concluded: { ...concluded, orphans: 1 } }],
    ["processes", "a venue process is left", { struck: [...good.struck, struck({ leftBehind: 1 })] }],
    ["starts", "a start is refused", { starts: [...good.starts, { seconds: 1, refusal: "no" }] }],
    [
      "postmaster",
      "a service stays up and useless",
      { struck: [...good.struck, struck({ kind: "postmaster", hasSettled: false })] },
    ],
    [
      "repeats",
      "a repeat is refused",
      { ledger: ledgerThat(({ repeats }) => repeats.push({ what: "rotate", attempts: 1, code: "stale" })) },
    ],
    ["once", "a write is done twice", { concluded: { ...concluded, notOnce: 1 } }],
    [
      "refused",
      "a first write is refused",
      { ledger: ledgerThat(({ refusals }) => refusals.push("rotate internal")) },
    ],
  ];
  test.for(breaches)("%s: it is broken when %s", ([name, , changes]) => {
    expect(broken({ ...good, ...changes })).toEqual([name]);
  });

  test("does not hold where it was never put to the test", () => {
    const never = { ledger: new Ledger(), starts: [], struck: [], checked: [], concluded: null };
    expect(broken({ ...good, ...never })).toEqual(Object.keys(judge(good)));
  });

  test("does not hold for the record where the service could not be started any more", () => {
    expect(broken({ ...good, concluded: null })).toEqual(["recorded", "orphans", "once"]);
  });
});

test("kills are told kind by kind, with the middle and the longest time, and all together", () => {
  const rows = rowsOf([
    struck({ downSeconds: 3 }),
    struck({ downSeconds: 1, alsoAtStart: true }),
    struck({ downSeconds: 2 }),
    struck({ kind: "service and postmaster", downSeconds: 9 }),
  ]);
  expect(rows).toMatchObject([
    { kind: "service", kills: 3, atStart: 1, median: 2, longest: 3 },
    { kind: "service and postmaster", kills: 1, median: 9, longest: 9 },
    { kind: "all", kills: 4, atStart: 1, longest: 9, venueProcesses: 4 },
  ]);
});
