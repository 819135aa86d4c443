import { describe, expect, test } from "vitest";
import { descendantBytes, descendantsOf, residentBytes } from "../../../bench/memory.ts";

describe("the processes below one", () => {
  test("are its children and theirs, and nobody else's", () => {
    const parents = new Map([
      [2, 1],
      [3, 2],
      [4, 3],
      [5, 1],
      [6, 5],
    ]);
    expect(descendantsOf(2, parents)).toEqual([3, 4]);
    expect(descendantsOf(6, parents)).toEqual([]);
  });
});

describe.runIf(process.platform === "linux")("memory", () => {
  test("of this process is more than nothing", async () => {
    expect(await residentBytes(process.pid)).toBeGreaterThan(10_000_000);
  });

  test("of a process that is not there cannot be read", async () => {
    expect(await residentBytes(2 ** 30)).toBeNull();
    expect(await descendantBytes(2 ** 30)).toBe(0);
  });
});
