import type { Stats } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { StartError } from "./errors.ts";

/**
 * Whether a file belongs to the user who runs Keyhold, or to root. Root may read and write each file anyway.
 * A file of any other user can be changed by that user.
 */
export function isOwn({ uid }: Pick<Stats, "uid">, user: number | undefined = process.geteuid?.()): boolean {
  return user === undefined || uid === user || uid === 0;
}

/**
 * Whether a file can be read only by this user and root, or also by a group of this process in a file of
 * root. Kubernetes gives a Secret in that form to a pod that does not run as root (`fsGroup` widens 0400 to
 * 0440), and the pod can neither change the file nor read it otherwise.
 */
export function isPrivate(
  { uid, gid, mode }: Pick<Stats, "uid" | "gid" | "mode">,
  groups: readonly number[] = [...(process.getgroups?.() ?? []), process.getegid?.() ?? 0],
): boolean {
  const wider = mode & 0o7777 & ~0o600;
  return wider === 0 || (wider === 0o040 && uid === 0 && gid !== 0 && groups.includes(gid));
}

/**
 * The text of a file that only its owner may read, and that this user owns; `null` when it does not exist.
 * Throws StartError, which begins with `what` and the path, for any other file.
 */
export async function readOwnFile(path: string, what: string): Promise<string | null> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw new StartError(`${what} ${path} cannot be read (${error.code}).`, { cause: error });
  });
  if (file === null) return null;
  try {
    await refuseOthers(file, path, what);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

async function refuseOthers(file: FileHandle, path: string, what: string): Promise<void> {
  const status = await file.stat();
  if (!status.isFile()) throw new StartError(`${what} ${path} is not a regular file.`);
  if ((status.mode & 0o077) !== 0) {
    throw new StartError(`${what} ${path} can be read by others. Run: chmod 600 ${path}`);
  }
  if (!isOwn(status)) throw new StartError(`${what} ${path} ${belongsTo(status, path)}`);
}

/** The end of a sentence about a file, or a folder, of another user. */
export function belongsTo({ uid }: Pick<Stats, "uid">, path: string): string {
  return `belongs to user ${uid}, who could change it. Run Keyhold as that user, or give it to Keyhold's user: chown ${process.geteuid?.() ?? 0} ${path}`;
}
