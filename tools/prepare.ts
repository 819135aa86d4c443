import { makeInCache, removeFromCache } from "./cache.ts";
import { moto } from "./moto/install.ts";
import { openbao } from "./openbao/install.ts";
import { pgbouncer } from "./pgbouncer/install.ts";
import { type Tool, toolsMode } from "./tool.ts";
import { vault } from "./vault/build.ts";

/**
 * Makes the tools that are missing: `npm run tools`, which fails where one cannot be made, and before each `npm test`, with
 * `--if-possible`: there a tool that cannot be made leaves its tests out, and the tests say so.
 */
function prepare(): void {
  const mode = toolsMode();
  if (mode === "skip") return;
  const mayLack = mode === "use" && process.argv.includes("--if-possible");
  for (const tool of [openbao, vault, moto, pgbouncer]) prepareOne(tool, mayLack);
}

function prepareOne(tool: Tool, mayLack: boolean): void {
  const program = tool.find();
  if (program !== null && tool.works(program)) return;
  if (mayLack && !tool.canBeMade()) return;
  say(mayLack ? `${tool.announcement} KEYHOLD_TEST_TOOLS=skip goes without.` : tool.announcement);
  try {
    if (program !== null) removeFromCache(tool.folder);
    makeInCache(tool.folder, tool.make);
  } catch (error) {
    say(`${tool.name} could not be made. ${messageOf(error)}`);
    if (!mayLack) process.exitCode = 1;
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

try {
  prepare();
} catch (error) {
  say(messageOf(error));
  process.exitCode = 1;
}
