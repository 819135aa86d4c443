import { assert, double, integer, property } from "fast-check";
import { expect, test } from "vitest";
import { type Checked, nextCheck } from "../../../src/credentials/settle.ts";
import { refusals, valid } from "../../../testkit/scripted-venue.ts";

const now = new Date("2026-11-20T12:00:00Z");
const usual: Checked = {
  now,
  everyMinutes: 360,
  verdict: valid(),
  attempts: 0,
  row: { status: "active", rejected_at: null, refused_since: null },
  hold: null,
  ambiguousMs: 24 * 3_600_000,
  random: 0.5,
};
const secondsUntil = (changes: Partial<Checked>): number =>
  (nextCheck({ ...usual, ...changes }).next_check_at.getTime() - now.getTime()) / 1000;

test("what the venue accepts is looked at again after the tenant's interval, a tenth more or less", () => {
  assert(
    property(integer({ min: 15, max: 1440 }), double({ min: 0, max: 1, noNaN: true }), (minutes, random) => {
      const after = secondsUntil({ everyMinutes: minutes, random }) / 60;
      expect(after).toBeGreaterThanOrEqual(minutes * 0.9 - 0.001);
      expect(after).toBeLessThanOrEqual(minutes * 1.1 + 0.001);
    }),
  );
});

test("a first refusal is confirmed as soon as the minute has passed that decides", () => {
  const [rejected] = refusals.filter(({ outcome }) => outcome === "rejected");
  if (rejected === undefined) throw new Error("there is one");
  const row = { status: "active", rejected_at: now, refused_since: now } as const;
  const after = secondsUntil({ verdict: rejected, row });
  expect(after).toBeGreaterThan(60);
  expect(after).toBeLessThan(70);
  expect(secondsUntil({ verdict: rejected, row, hold: "many" }), "held back").toBe(900);
});

test("a venue that cannot tell is asked three times, each later than the one before, then at the usual time", () => {
  const timeout = { outcome: "timeout", message: "" } as const;
  const first = nextCheck({ ...usual, verdict: timeout });
  const second = nextCheck({ ...usual, verdict: timeout, attempts: first.check_attempts });
  const third = nextCheck({ ...usual, verdict: timeout, attempts: second.check_attempts });
  const waits = [first, second, third].map(({ next_check_at }) => next_check_at.getTime() - now.getTime());
  expect(waits[0]).toBeLessThan(waits[1] ?? 0);
  expect(waits[1]).toBeLessThan(waits[2] ?? 0);
  expect(third).toEqual({ next_check_at: new Date(now.getTime() + 360 * 60_000), check_attempts: 0 });
});

const hoursAgo = (hours: number): Date => new Date(now.getTime() - hours * 3_600_000);

test("after an ambiguous refusal each pause is as long as all before it, up to the usual interval", () => {
  const verdict = { outcome: "ambiguous", causes: ["key"], message: "" } as const;
  const after = (hours: number): number =>
    secondsUntil({ verdict, row: { status: "active", rejected_at: null, refused_since: hoursAgo(hours) } });
  expect(after(0)).toBe(60);
  expect(after(1)).toBe(3600);
  expect(after(2.5)).toBe(2.5 * 3600);
  expect(after(12)).toBe(6 * 3600);
  expect(after(23), "at the latest when it has lasted as long as decides").toBe(3600);
  expect(after(30), "and then at the usual time").toBe(6 * 3600);
});

test("what is invalid is asked about a day later at first, and never more than a week later", () => {
  const [rejected] = refusals;
  if (rejected === undefined) throw new Error("there is one");
  const day = 86_400;
  for (const verdict of [rejected, { outcome: "timeout", message: "" } as const]) {
    const after = (hours: number): number =>
      secondsUntil({
        verdict,
        row: { status: "invalid", rejected_at: null, refused_since: hoursAgo(hours) },
      });
    expect(after(0.02)).toBe(day);
    expect(after(3 * 24)).toBe(3 * day);
    expect(after(90 * 24)).toBe(7 * day);
  }
});
