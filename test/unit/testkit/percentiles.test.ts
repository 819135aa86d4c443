import { describe, expect, test } from "vitest";
import { median, percentile } from "../../../testkit/percentiles.ts";

const hundred = Float64Array.from({ length: 100 }, (_, index) => index + 1);

describe("a percentile", () => {
  test.each([
    [0.5, 50],
    [0.99, 99],
    [0.999, 100],
    [1, 100],
    [0, 1],
  ])("of share %f in 1 to 100 is %i, by nearest rank", (share, expected) => {
    expect(percentile(hundred, share)).toBe(expected);
  });

  test("is one of the values, never something between two", () => {
    expect(percentile([1, 1000], 0.5)).toBe(1);
    expect(percentile([1, 1000], 0.51)).toBe(1000);
  });

  test("of nothing is not a number, so that nobody takes it for a fast answer", () => {
    expect(percentile([], 0.99)).toBeNaN();
  });
});

test("a median does not ask for order, and orders numbers as numbers", () => {
  expect(median([100, 9, 20])).toBe(20);
});
