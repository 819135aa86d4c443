import { constants } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "../../errors.ts";
import { exists, type RunAs, type Site } from "./place.ts";

/** Gives the database to the user that its server runs as; answers whether it was another's. Only while no server holds it. */
export async function takeOver({ data, runAs }: Site): Promise<boolean> {
  if (runAs === null || !(await exists(data)) || (await stat(data)).uid === runAs.uid) return false;
  await giveTree(data, runAs);
  return true;
}

/**
 * Gives a folder and all in it to a user. What was another's may be changed by that other meanwhile, so no path is followed twice:
 * folders are entered through what was opened, links are left alone, and a file with a second name is refused.
 * The folder itself comes last: a run that was cut off is known by it. Throws StartError.
 */
export async function giveTree(path: string, runAs: RunAs): Promise<void> {
  await using folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const inside = process.platform === "linux" ? `/proc/self/fd/${folder.fd}` : path;
  for (const entry of await readdir(inside, { withFileTypes: true })) {
    const child = join(inside, entry.name);
    if (entry.isDirectory()) await giveTree(child, runAs);
    if (entry.isFile()) await giveFile(child, runAs, join(path, entry.name));
  }
  await folder.chown(runAs.uid, runAs.gid);
}

async function giveFile(path: string, { uid, gid }: RunAs, name: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const status = await file.stat();
  if (!status.isFile() || status.nlink > 1) {
    throw new StartError(
      `${name} has a second name elsewhere. No database of Keyhold's holds such a file: look who made it.`,
    );
  }
  await file.chown(uid, gid);
}
