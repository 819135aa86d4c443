import * as fc from "fast-check";
import { expect, test } from "vitest";
import { lengthPrefixed } from "../../../src/crypto/bytes.ts";

const shortTexts = fc.array(fc.string({ maxLength: 3 }), { maxLength: 4 });

test("10,000 pairs of different lists never give the same bytes", () => {
  fc.assert(
    fc.property(shortTexts, shortTexts, (one, two) => {
      const same = JSON.stringify(one) === JSON.stringify(two);
      expect(Buffer.compare(lengthPrefixed(one), lengthPrefixed(two)) === 0).toBe(same);
    }),
    { numRuns: 10_000 },
  );
});

test("lists that join to the same text stay apart, as plain joining would not keep them", () => {
  const [one, two] = [
    ["ab", "c"],
    ["a", "bc"],
  ] as const;
  expect(one.join("")).toBe(two.join(""));
  expect(lengthPrefixed(one)).not.toEqual(lengthPrefixed(two));
});

test("a length counts bytes, not characters", () => {
  expect(lengthPrefixed(["é", ""]).toHex()).toBe("00000002c3a900000000");
});
