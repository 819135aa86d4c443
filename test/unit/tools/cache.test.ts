import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findInCache, makeInCache, removeFromCache } from "../../../tools/cache.ts";

const root = join(import.meta.dirname, "../../..");

describe("the cache of tools", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "keyhold-cache-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const here = () => ({ XDG_CACHE_HOME: folder });
  const program = join("tool-1", "program");

  function make(text: string, scratch: string): string {
    const made = join(scratch, "anything");
    mkdirSync(made);
    writeFileSync(join(made, "program"), text);
    return made;
  }

  test("keeps what was made, and nothing of the making", () => {
    expect(findInCache(program, here())).toBeNull();
    makeInCache("tool-1", (scratch) => make("whole", scratch), here());
    expect(findInCache(program, here())).toBe(join(folder, "keyhold", program));
    expect(readdirSync(join(folder, "keyhold"))).toEqual(["tool-1"]);
  });

  test("never shows what broke off half-way", () => {
    const breakOff = (scratch: string): string => {
      make("half", scratch);
      throw new Error("no network");
    };
    expect(() => makeInCache("tool-1", breakOff, here())).toThrow("no network");
    expect(findInCache(program, here())).toBeNull();
    expect(readdirSync(join(folder, "keyhold"))).toEqual([]);
  });

  const kept = (): string => readFileSync(findInCache(program, here()) ?? "", "utf8");

  test("of two who make the same at once, the quicker one's is kept", () => {
    const slow = (scratch: string): string => {
      makeInCache("tool-1", (other) => make("quick", other), here());
      return make("slow", scratch);
    };
    makeInCache("tool-1", slow, here());
    expect(kept()).toBe("quick");
    expect(readdirSync(join(folder, "keyhold"))).toEqual(["tool-1"]);
  });

  test("of processes that make the same at the same moments, none fails and none misses anything", async () => {
    const run = promisify(execFile);
    const makers = Array.from({ length: 3 }, () =>
      run(process.execPath, [join(import.meta.dirname, "make-child.ts"), folder]),
    );
    const made = await Promise.all(makers);
    expect(made.map(({ stdout }) => stdout)).toEqual(["50 found", "50 found", "50 found"]);
    expect(readdirSync(join(folder, "keyhold"))).toHaveLength(50);
  });

  test("what does not work is removed, and then made anew", () => {
    makeInCache("tool-1", (scratch) => make("broken", scratch), here());
    removeFromCache("tool-1", here());
    expect(findInCache(program, here())).toBeNull();
    makeInCache("tool-1", (scratch) => make("mended", scratch), here());
    expect(kept()).toBe("mended");
  });

  test("is cleared of what a killed process left, once nobody can be at work on it", () => {
    const [old, recent] = ["unfinished-old", "unfinished-recent"].map((name) =>
      join(folder, "keyhold", name),
    );
    for (const leftover of [old, recent]) mkdirSync(leftover ?? "", { recursive: true });
    utimesSync(old ?? "", new Date(0), new Date(0));
    makeInCache("tool-1", (scratch) => make("whole", scratch), here());
    expect(readdirSync(join(folder, "keyhold")).toSorted()).toEqual(["tool-1", "unfinished-recent"]);
  });

  test("lies below the home unless told otherwise", () => {
    makeInCache("tool-1", (scratch) => make("whole", scratch), { HOME: folder });
    expect(existsSync(join(folder, ".cache", "keyhold", program))).toBe(true);
  });

  test.each([
    ["a home that is a file", { HOME: "/dev/null" }],
    ["no home", {}],
    ["a cache that is no place of its own", { XDG_CACHE_HOME: "relative", HOME: "" }],
  ])("lies beside the packages where there is no other place: %s", async (_name, environment) => {
    const name = `test-${process.pid}`;
    const beside = join(root, "node_modules", ".cache", "keyhold", name);
    try {
      makeInCache(name, (scratch) => make("whole", scratch), environment);
      expect(findInCache(join(name, "program"), environment)).toBe(join(beside, "program"));
    } finally {
      await rm(beside, { recursive: true });
    }
  });
});
