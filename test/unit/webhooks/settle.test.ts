import { describe, expect, test } from "vitest";
import { nextTry, pauseAfter } from "../../../src/webhooks/settle.ts";

describe("the schedule of retries", () => {
  test("is that of Standard Webhooks: ten attempts within little more than three days", () => {
    const pauses = Array.from({ length: 10 }, (_, at) => nextTry(at + 1, 0.5));

    expect(pauses).toEqual([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400, null]);
  });

  test("varies by a tenth, so that what failed together does not come back together", () => {
    expect([nextTry(2, 0), nextTry(2, 1)]).toEqual([270, 330]);
  });
});

describe("an endpoint that keeps failing", () => {
  test("is left alone from the third failure on, longer each time, ten minutes at most", () => {
    expect([1, 2, 3, 4, 5, 8, 9, 1000].map(pauseAfter)).toEqual([0, 0, 15, 30, 60, 480, 600, 600]);
  });
});
