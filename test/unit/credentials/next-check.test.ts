import { assert, double, integer, property } from "fast-check";
import { expect, test } from "vitest";
import { type Checked, nextCheck } from "../../../src/credentials/next-check.ts";
import { refusals, valid } from "../../support/scripted-venue.ts";

const now = new Date("2026-11-20T12:00:00Z");
const usual: Checked = {
  now,
  everyMinutes: 360,
  verdict: valid(),
  attempts: 0,
  rejectedAt: null,
  held: false,
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
  const after = secondsUntil({ verdict: rejected, rejectedAt: now });
  expect(after).toBeGreaterThan(60);
  expect(after).toBeLessThan(70);
  expect(secondsUntil({ verdict: rejected, rejectedAt: now, held: true }), "held back").toBe(900);
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
