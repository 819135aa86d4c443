import { createHash } from "node:crypto";
import { chown, mkdtemp, realpath, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { StartError } from "../../errors.ts";
import { makeFolder } from "../../make-folder.ts";

/** The user of a server, when it is not the user who starts it. */
export type RunAs = Readonly<{ uid: number; gid: number }>;

/** The folders of one embedded server. */
export type Place = Readonly<{
  /** The state folder that the server belongs to. */
  folder: string;
  home: string;
  data: string;
  log: string;
}>;

/** A place, and the user of its server: `null` is the user who starts it. */
export type Site = Place & Readonly<{ runAs: RunAs | null }>;

export const rootsHome = "/var/lib/keyhold";

/** `sun_path` of a Unix socket holds 108 bytes with its closing zero; PostgreSQL stops for a longer path. */
const longestSocketPath = 107;
const socketFolderPrefix = "kh-";
export const port = 5432;

export function startedByRoot(): boolean {
  return process.getuid?.() === 0;
}

/**
 * Chooses and makes the folders of the server that belongs to `folder`. Throws StartError when another kind
 * of user already has a database for this folder, and when a folder cannot be made.
 */
export async function findPlace(folder: string): Promise<Place> {
  await makeFolder(folder, "KEYHOLD_FOLDER");
  const place = await placeOf(folder);
  if (startedByRoot()) {
    await makeFolder(rootsHome, "KEYHOLD_FOLDER", 0o755);
    await makeFolder(place.home, "KEYHOLD_FOLDER", 0o711);
  }
  return place;
}

/** The same for an existing folder, `null` for any other. Makes nothing. */
export async function locatePlace(folder: string): Promise<Place | null> {
  return (await exists(folder)) ? placeOf(folder) : null;
}

/**
 * The server of an ordinary user is in the folder itself. The server of root runs as another user, who cannot
 * pass a home of mode 0700, so it is always under /var/lib/keyhold: a place that depended on the present
 * modes would change with them.
 */
async function placeOf(folder: string): Promise<Place> {
  const ours = await realpath(folder);
  const name = createHash("sha256").update(ours).digest("hex").slice(0, 16);
  const roots = join(rootsHome, name);
  const asRoot = startedByRoot();
  const home = asRoot ? roots : ours;
  const others = join(asRoot ? ours : roots, "postgres");
  if (await exists(others)) {
    throw new StartError(
      `${asRoot ? "A user other than root" : "Root"} has started Keyhold for ${ours} before, and the database is in ${others}. ` +
        "Start it as that user again.",
    );
  }
  return { folder: ours, home, data: join(home, "postgres"), log: join(home, "postgres.log") };
}

/** Whether the data folder contains a database. */
export async function hasDatabase({ data }: Place): Promise<boolean> {
  return exists(join(data, "PG_VERSION"));
}

/**
 * Makes a folder of mode 0700 for the socket, below the temporary directory. If its path is too long or the
 * user of the server cannot enter it, the folder is below /tmp. Throws StartError when neither is possible.
 */
export async function makeSocketFolder(runAs: RunAs | null): Promise<string> {
  for (const base of [tmpdir(), "/tmp"]) {
    const longest = join(base, `${socketFolderPrefix}XXXXXX`, `.s.PGSQL.${port}`);
    if (Buffer.byteLength(longest) > longestSocketPath) continue;
    if (runAs !== null && !(await passable(base))) continue;
    const folder = await mkdtemp(join(base, socketFolderPrefix));
    await giveTo(runAs, folder);
    return folder;
  }
  throw new StartError(
    `The path of PostgreSQL's socket below ${tmpdir()} is longer than ${longestSocketPath} bytes. Set TMPDIR to a shorter folder.`,
  );
}

/** Whether makeSocketFolder made `path`, so that it may be removed when its server has ended. */
export function isSocketFolder(path: string): boolean {
  return path.includes(`/${socketFolderPrefix}`);
}

export async function giveTo(runAs: RunAs | null, path: string): Promise<void> {
  if (runAs !== null) await chown(path, runAs.uid, runAs.gid);
}

/** Whether a user who owns nothing can enter `path`: all users may execute it and each folder above it. */
export async function passable(path: string): Promise<boolean> {
  const { mode } = await stat(path);
  if ((mode & 0o001) === 0) return false;
  const parent = dirname(path);
  return parent === path || passable(parent);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
