import type { TestProject } from "vitest/node";
import { moto } from "../../tools/moto/install.ts";
import { pgbouncer } from "../../tools/pgbouncer/install.ts";
import { type Tool, toolsMode } from "../../tools/tool.ts";
import { vault } from "../../tools/vault/build.ts";

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

/** Runs once before all test files, so that a tool that is missing is told of once. Nothing is made here. */
export function setup(project: TestProject): void {
  project.provide("tools", {
    vault: findOrSkip(vault),
    moto: findOrSkip(moto),
    pgbouncer: findOrSkip(pgbouncer),
  });
}

/** What runs the tool; `null`, with a line that says so, where its tests are skipped. Throws where none may be missing. */
export function findOrSkip(tool: Tool): string | null {
  const mode = toolsMode();
  const program = mode === "skip" ? null : tool.find();
  if (program !== null) return program;
  const remedy = `\`npm run tools\` makes it, with ${tool.needs}.`;
  if (mode === "required") throw new Error(`${tool.name} is not here, and no test may be skipped: ${remedy}`);
  const reason = mode === "skip" ? "KEYHOLD_TEST_TOOLS says so." : `It is not on this machine; ${remedy}`;
  process.stderr.write(`The tests with ${tool.name} are skipped. ${reason}\n`);
  return null;
}
