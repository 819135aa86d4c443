import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { StartError } from "./errors.ts";

/**
 * Makes a folder and its missing parents. `variable` is the setting with the path. Throws `StartError` when
 * it cannot be made, and when something else has its name.
 */
export async function makeFolder(path: string, variable: string, mode = 0o700): Promise<void> {
  try {
    await makeWithParents(path, mode);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
    throw new StartError(
      `The folder ${path} cannot be made: ${reasons[code] ?? code}. Correct ${variable}.`,
      {
        cause,
      },
    );
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "this user may not write there",
  EPERM: "this user may not write there",
  EROFS: "the file system is read-only",
  EEXIST: "a file has this name",
  ENOTDIR: "a file stands where a folder is expected",
  ENOENT: "the file system takes no folders",
  ENOSPC: "the disk is full",
};

/** The recursive mkdir of Node never returns below /proc, where a folder exists and accepts no other. */
async function makeWithParents(path: string, mode: number): Promise<void> {
  const failure = await tryToMake(path, mode);
  if (failure === null) return;
  const parent = dirname(path);
  if (failure.code !== "ENOENT" || parent === path || (await isFolder(parent))) throw failure;
  await makeWithParents(parent, mode);
  const again = await tryToMake(path, mode);
  if (again !== null) throw again;
}

/** `null` when the folder exists now. */
async function tryToMake(path: string, mode: number): Promise<NodeJS.ErrnoException | null> {
  try {
    await mkdir(path, { mode });
    return null;
  } catch (error) {
    if (await isFolder(path)) return null;
    if (error instanceof Error) return error;
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}
