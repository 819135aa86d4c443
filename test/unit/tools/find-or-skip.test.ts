import { afterEach, beforeEach, expect, type MockInstance, test, vi } from "vitest";
import { findOrSkip } from "../../../testkit/tools.ts";
import type { Tool } from "../../../tools/tool.ts";

let written: MockInstance<typeof process.stderr.write>;
beforeEach(() => {
  written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const missing: Tool = {
  name: "anvil 3",
  folder: "anvil-3",
  find: () => null,
  works: () => false,
  announcement: "",
  make: (scratch) => scratch,
};
const present = { ...missing, find: () => "/bin/anvil" };
const hammer = { ...missing, name: "hammer 2" };

function said(): string[] {
  return written.mock.calls.map(([line]) => String(line));
}

test("Tests with a tool run where it is installed", () => {
  for (const mode of [undefined, "use", "required"]) {
    vi.stubEnv("KEYHOLD_TEST_TOOLS", mode);
    expect(findOrSkip([present])).toEqual(["/bin/anvil"]);
  }
  expect(said()).toEqual([]);
});

test("Where tools are missing their tests are skipped, with one line that names the command", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", undefined);
  expect(findOrSkip([missing, present, hammer])).toEqual([null, "/bin/anvil", null]);
  expect(said()).toEqual([
    "The tests with anvil 3 and hammer 2 are skipped: `npm run tools` installs what is missing.\n",
  ]);
});

test("KEYHOLD_TEST_TOOLS=skip skips the tests with tools that are installed", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", "skip");
  expect(findOrSkip([present, hammer])).toEqual([null, null]);
  expect(said()).toEqual(["The tests with anvil 3 and hammer 2 are skipped: KEYHOLD_TEST_TOOLS is skip.\n"]);
});

test("Where no test may be skipped, a missing tool ends the run", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", "required");
  expect(() => findOrSkip([present, missing])).toThrow(
    "No test may be skipped, and this machine lacks anvil 3: `npm run tools` installs what is missing.",
  );
});

test("Any other word in KEYHOLD_TEST_TOOLS ends the run", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", "perhaps");
  expect(() => findOrSkip([present])).toThrow("KEYHOLD_TEST_TOOLS is perhaps");
});
