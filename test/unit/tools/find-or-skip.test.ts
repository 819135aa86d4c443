import { afterEach, beforeEach, expect, type MockInstance, test, vi } from "vitest";
import type { Tool } from "../../../tools/tool.ts";
import { findOrSkip } from "../../support/tools.ts";

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
  needs: "a smith",
  canBeMade: () => false,
  announcement: "",
  make: (scratch) => scratch,
};
const present = { ...missing, find: () => "/bin/anvil" };

function said(): string[] {
  return written.mock.calls.map(([line]) => String(line));
}

test("tests with a tool run where it is", () => {
  for (const mode of [undefined, "use", "required"]) {
    vi.stubEnv("KEYHOLD_TEST_TOOLS", mode);
    expect(findOrSkip(present)).toBe("/bin/anvil");
  }
  expect(said()).toEqual([]);
});

test("where it is not they are skipped, with one line that says what to do", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", undefined);
  expect(findOrSkip(missing)).toBeNull();
  expect(said()).toEqual([
    "The tests with anvil 3 are skipped. It is not on this machine; `npm run tools` makes it, with a smith.\n",
  ]);
});

test("whoever goes without the tools skips them, though they are there", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", "skip");
  expect(findOrSkip(present)).toBeNull();
  expect(said()).toEqual(["The tests with anvil 3 are skipped. KEYHOLD_TEST_TOOLS says so.\n"]);
});

test("where none may be skipped, a missing tool ends the run", () => {
  vi.stubEnv("KEYHOLD_TEST_TOOLS", "required");
  expect(() => findOrSkip(missing)).toThrow("anvil 3 is not here, and no test may be skipped");
});
