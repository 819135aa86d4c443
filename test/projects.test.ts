import { globSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createSorter, findProjects } from "./projects.ts";

const root = join(import.meta.dirname, "..");
const projects = findProjects(root);

test("Every test file is in exactly one project", () => {
  const all = projects.flatMap(({ include }) => include);
  expect(all.toSorted()).toEqual(globSync("test/**/*.test.ts", { cwd: root }).toSorted());
  expect(projects.filter(({ include }) => include.length === 0)).toEqual([]);
});

test("The unit project starts nothing before its tests", () => {
  expect(projects.find(({ name }) => name === "unit")).toMatchObject({ globalSetup: [] });
});

describe("a test file belongs", () => {
  // Not written out, so that this file does not look like one that asks for them.
  const asks = (name: string): string => `export const it = inject("${name}");`;
  const resolves = (name: string): string => `const base = import.meta.resolve("${name}");`;
  const files: Readonly<Record<string, string>> = {
    "testkit/database.ts": asks("cluster"),
    "testkit/vault.ts": asks("tools"),
    "src/pool.ts": 'import {\n  fork,\n} from "node:child_process";',
    "src/exchange.ts": resolves("ccxt"),
    "src/verdict.ts": "export type Verdict = string;",
  };
  const kindOf = (text: string, path = "test/unit/x.test.ts") =>
    createSorter((name) => (name === path ? text : (files[name] ?? "")))(path);

  test.each([
    ["unit", "", "test/unit/x.test.ts"],
    ["unit", 'import type { Pool } from "../../src/pool.ts";', "test/unit/x.test.ts"],
    ["unit", 'import { type Verdict } from "../../src/verdict.ts";', "test/unit/x.test.ts"],
    ["process", 'import { Pool } from "../../src/pool.ts";', "test/unit/x.test.ts"],
    ["process", 'const { Pool } = await import("../../src/pool.ts");', "test/unit/x.test.ts"],
    ["process", 'import { openExchange } from "../../src/exchange.ts";', "test/unit/x.test.ts"],
    ["process", 'export { startSimulator } from "../../simulator/simulator.ts";', "test/unit/x.test.ts"],
    ["db", 'import { createDatabase } from "../../testkit/database.ts";', "test/unit/x.test.ts"],
    ["e2e", 'import { createDatabase } from "../../testkit/database.ts";', "test/e2e/x.test.ts"],
    ["tools", 'import { startVault } from "../../testkit/vault.ts";', "test/e2e/x.test.ts"],
  ])("to %s with %j", (kind, text, path) => {
    expect(kindOf(text, path)).toBe(kind);
  });

  test("to the costliest kind that it reaches, over any number of files", () => {
    const chain = { "src/a.ts": 'import "./b.ts";', "src/b.ts": 'import "../testkit/database.ts";' };
    const all: Readonly<Record<string, string>> = {
      ...files,
      ...chain,
      "test/x.test.ts": 'import "../src/a.ts";',
    };
    expect(createSorter((name) => all[name] ?? "")("test/x.test.ts")).toBe("db");
  });
});
