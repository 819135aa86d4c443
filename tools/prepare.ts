import { makeInCache, removeFromCache } from "./cache.ts";
import { moto } from "./moto/install.ts";
import { openbao } from "./openbao/install.ts";
import { pgbouncer } from "./pgbouncer/install.ts";
import type { Tool } from "./tool.ts";
import { vault } from "./vault/build.ts";

/** `npm run tools`: makes the tools that are missing. Fails where one cannot be made, and makes the others. */
function prepare(tool: Tool): void {
  try {
    const program = tool.find();
    if (program !== null && tool.works(program)) return;
    say(tool.announcement);
    if (program !== null) removeFromCache(tool.folder);
    makeInCache(tool.folder, tool.make);
  } catch (error) {
    say(`${tool.name} could not be made. ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

for (const tool of [openbao, vault, moto, pgbouncer]) prepare(tool);
