import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const folder = new URL("../../../simulator/", import.meta.url).pathname;

/** Imports that reach beyond the simulator, node itself and its one library. */
function foreignImports(file: string, source: string): string[] {
  const named = [...source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map(([, name = ""]) => name);
  return named.filter((name) => {
    if (name === "fastify" || name.startsWith("node:")) return false;
    return !name.startsWith(".") || !join(folder, file, "..", name).startsWith(folder);
  });
}

describe("the simulator", () => {
  test("verifies with its own code: it imports neither Keyhold nor ccxt", async () => {
    const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith(".ts"));
    expect(files.length).toBeGreaterThan(30);
    for (const file of files) {
      expect([file, foreignImports(file, await readFile(join(folder, file), "utf8"))]).toEqual([file, []]);
    }
  });

  test.each([
    ["venues/x.ts", 'import ccxt from "ccxt";', "ccxt"],
    ["venues/x.ts", 'import { a } from "../../src/errors.ts";', "../../src/errors.ts"],
    ["x.ts", 'const a = await import("../src/a.ts");', "../src/a.ts"],
  ])("would be caught in %s with %s", (file, source, name) => {
    expect(foreignImports(file, source)).toEqual([name]);
  });
});
