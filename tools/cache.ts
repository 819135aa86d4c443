import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { isAbsolute, join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/** Beside the packages of this checkout, where there is no place that all checkouts of this machine share. */
const beside = join(import.meta.dirname, "..", "node_modules", ".cache");
const unfinished = "unfinished-";
const dayMs = 24 * 60 * 60 * 1000;

/** Where a file of the cache is; `null` where nobody has made it. */
export function findInCache(name: string, environment: Environment = process.env): string | null {
  const found = places(environment).map((place) => join(place, name));
  return found.find((path) => existsSync(path)) ?? null;
}

/**
 * Makes the folder `name` of the cache. `make` is given an empty folder to work in, and answers the one in it that is whole; only
 * that moves to its place. So what breaks off is never taken for a tool, and of two who make the same at once the quicker one's is
 * kept.
 */
export function makeInCache(
  name: string,
  make: (scratch: string) => string,
  environment: Environment = process.env,
): void {
  const cache = writablePlace(environment);
  removeLeftovers(cache);
  const scratch = mkdtempSync(join(cache, unfinished));
  try {
    moveUnlessThere(make(scratch), join(cache, name));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Removes a folder of the cache that does not work, before it is made anew. */
export function removeFromCache(name: string, environment: Environment = process.env): void {
  for (const place of places(environment)) rmSync(join(place, name), { recursive: true, force: true });
}

function places({ XDG_CACHE_HOME: cache = "", HOME: home = "" }: Environment): readonly string[] {
  const shared = [cache, join(home, ".cache")].find(isAbsolute);
  return [shared, beside].filter((place) => place !== undefined).map((place) => join(place, "keyhold"));
}

function writablePlace(environment: Environment): string {
  for (const place of places(environment)) {
    try {
      mkdirSync(place, { recursive: true });
      accessSync(place, constants.W_OK);
      return place;
    } catch {
      // The next one may be.
    }
  }
  throw new Error("Neither XDG_CACHE_HOME, nor ~/.cache, nor node_modules can be written to.");
}

function moveUnlessThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

/** Of those that were killed; nothing takes a day. */
function removeLeftovers(cache: string): void {
  const yesterday = Date.now() - dayMs;
  for (const name of readdirSync(cache)) {
    if (!name.startsWith(unfinished)) continue;
    const path = join(cache, name);
    const at = statSync(path, { throwIfNoEntry: false });
    if (at !== undefined && at.mtimeMs < yesterday) rmSync(path, { recursive: true, force: true });
  }
}
