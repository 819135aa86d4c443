import { describe, expect, test } from "vitest";
import { createAdapters } from "../../../src/venues/adapters.ts";
import { otherExchanges } from "../../../src/venues/exchanges/index.ts";
import { lifetimeAt } from "../../../src/venues/traits.ts";

const lifetimes = [...createAdapters().keys()].flatMap((id) => {
  const lifetime = lifetimeAt(id, "live");
  return lifetime === undefined ? [] : [[id, lifetime] as const];
});

describe("the lifetimes of keys", () => {
  test("are known of no exchange that there is not", () => {
    expect(Object.keys(otherExchanges).filter((id) => !createAdapters().has(id))).toEqual([]);
    expect(lifetimes.map(([id]) => id)).toEqual(
      expect.arrayContaining([
        "bingx",
        "bybit",
        "bybiteu",
        "coinex",
        "gateeu",
        "htx",
        "kucoinfutures",
        "myokx",
      ]),
    );
    expect(lifetimes).toHaveLength(15);
  });

  test.each(lifetimes)("of %s say where they were read, and are a sum of days", (_id, row) => {
    expect(new URL(row.source).protocol).toBe("https:");
    expect(Number.isInteger(row.days) && row.days > 0).toBe(true);
    expect(row.may).not.toEqual([]);
  });

  test("are those of live keys, and of no venue that has no row", () => {
    expect(lifetimeAt("okx", "live")).toMatchObject({ days: 14, from: "last_use" });
    expect(lifetimeAt("okx", "paper")).toBeUndefined();
    expect(lifetimeAt("kraken", "live")).toBeUndefined();
    expect(lifetimeAt("constructor", "live")).toBeUndefined();
  });
});
