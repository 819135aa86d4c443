import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../../src/errors.ts";
import type { Stage } from "../proof.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../..");

/**
 * The program of another commit of this repository, with the packages that are installed here; answers its path relative to this
 * checkout. Throws `StartError` for a commit that is not in it.
 */
export async function checkOut(commit: string, undo: Stage["undo"]): Promise<string> {
  // Below the packages that both use: a venue process may read nothing else, and no link leads out of what it may read.
  const folder = await mkdtemp(join(root, ".older-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const git = (...argv: readonly string[]) => run("git", ["-C", root, ...argv]);
  try {
    await git("worktree", "add", "--detach", "--force", folder, commit);
  } catch (cause) {
    throw new StartError(`--against takes a commit of this repository, and ${commit} is none.`, { cause });
  }
  undo.defer(async () => void (await git("worktree", "remove", "--force", folder)));
  return relative(root, join(folder, "src/main.ts"));
}
