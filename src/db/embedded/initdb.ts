import { execFile } from "node:child_process";
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../../errors.ts";
import type { Binaries } from "./binaries.ts";
import { exists, giveTo } from "./place.ts";
import type { Place } from "./place.ts";

export const ownerRole = "keyhold_owner";

const run = promisify(execFile);

/**
 * Makes a new cluster unless there is one; answers whether it did. It is made beside its place and moved there whole,
 * so a start that is killed half way leaves no half cluster.
 */
export async function createCluster(binaries: Binaries, place: Place, durable: boolean): Promise<boolean> {
  if (await exists(join(place.data, "PG_VERSION"))) return false;
  const draft = await mkdtemp(draftPrefix(place));
  try {
    await giveTo(place.runAs, draft);
    await run(binaries.initdb, initdbArguments(draft, durable), { cwd: draft, env: {}, ...place.runAs });
    await rename(draft, place.data);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    throw new StartError(
      `The embedded PostgreSQL could not make a database in ${place.data} (${lastWords(cause)}).`,
      { cause },
    );
  }
  return true;
}

/** initdb's own last line, or why it could not be run. */
function lastWords(cause: unknown): string {
  if (!(cause instanceof Error)) return "it gave no reason";
  const said = "stderr" in cause && typeof cause.stderr === "string" ? cause.stderr.trim() : "";
  return said.split("\n").at(-1) || cause.message;
}

/** Removes what starts that were killed half way left behind. Only while the cluster is held: nobody else can be making one. */
export async function removeDrafts(place: Place): Promise<void> {
  const prefix = basename(draftPrefix(place));
  for (const name of await readdir(place.home)) {
    // The initdb of a killed start may still be writing; it ends when its folder is gone.
    if (name.startsWith(prefix))
      await rm(join(place.home, name), { recursive: true, force: true, maxRetries: 9 });
  }
}

function draftPrefix(place: Place): string {
  return `${place.data}.new-`;
}

function initdbArguments(data: string, durable: boolean): string[] {
  return [
    `--pgdata=${data}`,
    `--username=${ownerRole}`,
    // Whoever can open the socket's folder is the server's own user or root. Nobody comes over a network.
    "--auth-local=trust",
    "--auth-host=reject",
    "--encoding=UTF8",
    // The same order on every machine: the built-in provider follows no version of any system library.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
    ...(durable ? [] : ["--no-sync"]),
  ];
}
