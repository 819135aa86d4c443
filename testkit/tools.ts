import type { TestProject } from "vitest/node";
import { moto } from "../tools/moto/install.ts";
import { pgbouncer } from "../tools/pgbouncer/install.ts";
import { type Tool, toolsMode } from "../tools/tool.ts";
import { vault } from "../tools/vault/build.ts";

declare module "vitest" {
  interface ProvidedContext {
    tools: ToolPrograms;
  }
}

/** What runs each tool; `null` where its tests are skipped. */
export type ToolPrograms = Readonly<{
  vault: string | null;
  moto: string | null;
  pgbouncer: string | null;
}>;

/** Runs once before the test files that need tools. Nothing is installed here. */
export function setup(project: TestProject): void {
  const [vaultProgram = null, motoProgram = null, pgbouncerProgram = null] = findOrSkip([
    vault,
    moto,
    pgbouncer,
  ]);
  project.provide("tools", { vault: vaultProgram, moto: motoProgram, pgbouncer: pgbouncerProgram });
}

/**
 * The program of each tool; `null` where its tests are skipped, with one line that names all of them. Throws where a tool is missing and
 * no test may be skipped.
 */
export function findOrSkip(tools: readonly Tool[]): readonly (string | null)[] {
  const mode = toolsMode();
  const found = tools.map((tool) => (mode === "skip" ? null : tool.find()));
  const missing = tools.filter((_, at) => found[at] === null).map(({ name }) => name);
  if (missing.length === 0) return found;
  const names = new Intl.ListFormat("en").format(missing);
  const remedy = "`npm run tools` installs what is missing.";
  if (mode === "required")
    throw new Error(`No test may be skipped, and this machine lacks ${names}: ${remedy}`);
  const reason = mode === "skip" ? "KEYHOLD_TEST_TOOLS is skip." : remedy;
  process.stderr.write(`The tests with ${names} are skipped: ${reason}\n`);
  return found;
}
