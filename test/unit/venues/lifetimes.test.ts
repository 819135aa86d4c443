import { describe, expect, test } from "vitest";
import { createAdapters } from "../../../src/venues/adapters.ts";
import { lifetimeAt, lifetimes } from "../../../src/venues/lifetimes.ts";

const venues = new Set([...createAdapters().values()].map(({ description }) => description.id));

describe("the lifetimes of keys", () => {
  test.each(Object.entries(lifetimes))("of %s say where they were read, and are a sum of days", (id, row) => {
    expect(venues).toContain(id);
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
