import { spawnSync } from "node:child_process";
import { toolsMode } from "../tools/tool.ts";

/**
 * Whether tests that need this command of the system run: where the command is there, and where nothing may be left out. Where they
 * do not, a line says so.
 */
export function runsWith(command: string): boolean {
  const isThere = spawnSync(command, ["--version"]).status === 0;
  if (isThere || toolsMode() === "required") return true;
  process.stdout.write(`${command} is not installed: what needs it is skipped\n`);
  return false;
}
