import { InvalidArgumentError } from "commander";
import { describe, expect, test } from "vitest";
import {
  collect,
  given,
  oneOf,
  parseExpiry,
  parsePast,
  severalOf,
  wholeNumber,
} from "../../../src/cli/options.ts";

describe("an option that is one of several words", () => {
  const parse = oneOf(["live", "paper", "testnet"]);

  test("takes each of them", () => {
    expect(parse("paper")).toBe("paper");
  });

  test("names the words that are near, or all of them", () => {
    expect(() => parse("papper")).toThrow(/^Did you mean paper\?$/);
    expect(() => parse("prod")).toThrow(/^Give one of live, paper, testnet\.$/);
  });

  test("is collected from several values, with commas and without", () => {
    expect(severalOf(["read", "trade"])("read, trade", ["read"])).toEqual(["read", "read", "trade"]);
    expect(() => severalOf(["read", "trade"])("all")).toThrow(InvalidArgumentError);
    expect(collect("a,,b ")).toEqual(["a", "b"]);
  });
});

describe("a number", () => {
  const parse = wholeNumber("whole days", 1, 365);

  test.for(["1", "365"])("%s is taken", (text) => {
    expect(parse(text)).toBe(Number(text));
  });

  test.for(["0", "366", "1.5", "-1", "", "ten", "1e2"])("%j is refused", (text) => {
    expect(() => parse(text)).toThrow("Give whole days, 1 to 365.");
  });
});

describe("a time", () => {
  test.for([
    ["2026-12-31", "2026-12-31T00:00:00Z"],
    ["2026-12-31T10:00:00+01:00", "2026-12-31T10:00:00+01:00"],
  ] as const)("%s is %s", ([text, time]) => {
    expect(parseExpiry(text)).toBe(time);
    expect(parsePast(text)).toBe(time);
  });

  test("may be a span, from now or before", () => {
    const days = (time: string) => Math.round((Date.parse(time) - Date.now()) / 86_400_000);
    expect([parseExpiry("30d"), parsePast("48h"), parsePast("1440m")].map(days)).toEqual([30, -2, -1]);
  });

  test.for(["tomorrow", "30", "2026", "31.12.2026", ""])("is not guessed from %j", (text) => {
    expect(() => parseExpiry(text)).toThrow("such as 2026-12-31T10:00:00Z");
  });
});

test("what was not given is left out, and null is not", () => {
  expect(given({ a: undefined, b: null, c: false })).toEqual({ b: null, c: false });
});
