import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findInCache, makeInCache } from "../../../tools/cache.ts";

/** Makes 50 tools in the cache that it is told of, and says how many it finds; others do the same meanwhile. */
const environment = { XDG_CACHE_HOME: process.argv[2] ?? "" };

function make(scratch: string): string {
  const made = join(scratch, "made");
  mkdirSync(made);
  writeFileSync(join(made, "program"), "");
  return made;
}

let found = 0;
for (let number = 1; number <= 50; number += 1) {
  const name = `tool-${number}`;
  makeInCache(name, make, environment);
  if (findInCache(join(name, "program"), environment) !== null) found += 1;
}
process.stdout.write(`${found} found`);
