import { assert, double, integer, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import { arrivals, dueAt, dueBy } from "../../../bench/schedule.ts";

const schedule = { perSecond: 1000, seconds: 30 };

describe("a constant rate", () => {
  test("spaces arrivals evenly, the first at once", () => {
    expect([0, 1, 2, 1000].map((index) => dueAt(schedule, index))).toEqual([0, 1, 2, 1000]);
    expect(dueBy(schedule, 0)).toBe(1);
    expect(dueBy(schedule, 9.99)).toBe(10);
    expect(dueBy(schedule, 10)).toBe(11);
  });

  test("owes every arrival of a stall when it ends, and none beyond the end", () => {
    expect(dueBy(schedule, 5000) - dueBy(schedule, 3000)).toBe(2000);
    expect(dueBy(schedule, 1_000_000)).toBe(arrivals(schedule));
    expect(arrivals(schedule)).toBe(30_000);
  });

  test("counts as due exactly what was to be sent by then, at any rate", () => {
    const rates = record({
      perSecond: integer({ min: 1, max: 5000 }),
      seconds: integer({ min: 1, max: 60 }),
    });
    assert(
      property(rates, double({ min: 0, max: 60_000, noNaN: true }), (rate, elapsed) => {
        const due = dueBy(rate, elapsed);
        expect(dueAt(rate, due - 1)).toBeLessThanOrEqual(elapsed + 1e-6);
        if (due < arrivals(rate)) expect(dueAt(rate, due)).toBeGreaterThan(elapsed - 1e-6);
      }),
    );
  });
});
