import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const permissions = z.record(z.string(), z.string());
const step = z.object({ uses: z.string().optional(), run: z.string().optional() });
const job = z.object({ permissions, steps: z.array(step), strategy: z.unknown().optional() });
const workflow = z.object({ permissions, jobs: z.record(z.string(), job) });

/** Uses of actions that are no commit of 40 digits, or do not say which version that commit is. */
const unpinned = (text: string): readonly string[] =>
  text
    .split("\n")
    .filter((line) => /\buses:/.test(line))
    .filter((line) => !/\buses: [\w.-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line));

const workflows = globSync(".github/workflows/*", { cwd: root });

test("There is a workflow", () => {
  expect(workflows).toEqual([".github/workflows/ci.yml"]);
});

describe.each(workflows)("%s", (path) => {
  const { permissions: atTop, jobs } = workflow.parse(parse(read(path)));

  test("names every action by its commit", () => {
    expect(unpinned(read(path))).toEqual([]);
  });

  test("has no right at its top, and its jobs only read", () => {
    expect(atTop).toEqual({});
    for (const { permissions: rights } of Object.values(jobs)) expect(rights).toEqual({ contents: "read" });
  });
});

test("The workflow runs what every machine runs, and the unit tests on the machines of contributors", () => {
  const { jobs } = workflow.parse(parse(read(".github/workflows/ci.yml")));
  const commandsOf = (name: string) => jobs[name]?.steps.flatMap(({ run }) => run ?? []).join("\n");
  expect(commandsOf("all")).toContain(".ci/run");
  expect(commandsOf("unit")).toBe("npm ci --ignore-scripts\nnpm run test:unit");
  expect(jobs["unit"]?.strategy).toMatchObject({
    matrix: { os: ["ubuntu-24.04", "ubuntu-24.04-arm", "macos-15"] },
  });
});

test("An action that is named by a tag would be found", () => {
  const tagged = ["uses: actions/checkout@v7", `uses: actions/checkout@${"0".repeat(40)}`];
  expect(unpinned(tagged.join("\n"))).toEqual(tagged);
});

test("Continuous integration runs the test command of the README, and leaves no tool out", () => {
  expect(read("README.md")).toContain("npm ci && npm test ");
  const lines = read(".ci/run").split("\n");
  expect(lines).toContain("step npm test -- --coverage");
  expect(lines).toContain("export KEYHOLD_TEST_TOOLS=required");
});
