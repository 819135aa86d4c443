import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { open, readdir, readFile, readlink, rm, stat, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../../errors.ts";
import { exists, type Place, rootsHome, type RunAs, type Site, startedByRoot } from "./place.ts";

const run = promisify(execFile);

/**
 * Numbers that systemd's list of users and groups (UIDS-GIDS) leaves unused. The user namespace of a
 * container has them too, because they are below 65536.
 */
const firstUid = 60_706;
const lastUid = 61_183;
/** The account that unrelated programs share. */
const nobody = 65_534;

/**
 * The link /var/lib/keyhold/uid-60706 → 0123456789abcdef gives that number to the database in that folder.
 */
const linkPrefix = "uid-";
const linkOf = (uid: number): string => join(rootsHome, `${linkPrefix}${uid}`);

/**
 * The user of the server of this place; `null` when the user who starts it is not root. Started as root, the
 * server runs as the account `name`, or as a number of its own that no account and no process has, which
 * stays with the place. Throws StartError for an account that cannot be used.
 */
export async function chooseUser(place: Place, name: string | null): Promise<RunAs | null> {
  if (!startedByRoot()) {
    if (name === null) return null;
    throw new StartError(
      "KEYHOLD_DATABASE_USER needs a start as root. Leave it out: the embedded PostgreSQL runs as the user who starts Keyhold.",
    );
  }
  if (name !== null) return accountNamed(name);
  const uid = (await recordedUid(place)) ?? (await reserveUid(place));
  return { uid, gid: uid };
}

async function accountNamed(name: string): Promise<RunAs> {
  const ask = async (flag: string): Promise<number> => Number((await run("id", [flag, "--", name])).stdout);
  const [uid, gid] = await Promise.all([ask("-u"), ask("-g")]).catch((cause: unknown) => {
    throw new StartError(`KEYHOLD_DATABASE_USER names ${name}, and there is no such account.`, { cause });
  });
  if (uid !== 0 && uid !== nobody) return { uid, gid };
  throw new StartError(
    `KEYHOLD_DATABASE_USER names ${name}. PostgreSQL refuses to run as root, and other programs run as nobody. Name an account that only the database uses.`,
  );
}

/** A number that an account has got since then is released. */
async function recordedUid(place: Place): Promise<number | null> {
  for (const link of await readdir(rootsHome)) {
    const uid = Number(link.slice(linkPrefix.length));
    if (!link.startsWith(linkPrefix) || (await readlink(linkOf(uid))) !== basename(place.home)) continue;
    if (!(await isAccount(uid))) return uid;
    await rm(linkOf(uid));
  }
  return null;
}

/** A link is made only once, so of several starts at once one gets a number. */
async function reserveUid(place: Place): Promise<number> {
  const name = basename(place.home);
  const count = lastUid - firstUid + 1;
  const running = await usedByProcesses();
  const offset = Number.parseInt(name.slice(0, 8), 16);
  for (let n = 0; n < count; n += 1) {
    const uid = firstUid + ((offset + n) % count);
    if (running.has(uid) || (await isAccount(uid))) continue;
    const mine = await symlink(name, linkOf(uid)).then(() => true, unlessTaken);
    if (mine) return uid;
  }
  throw new StartError(
    `Every number for the user of an embedded database is taken. Remove the links in ${rootsHome} that lead to no folder, or set KEYHOLD_DATABASE_USER.`,
  );
}

function unlessTaken(error: NodeJS.ErrnoException): false {
  if (error.code === "EEXIST") return false;
  throw error;
}

/** Releases the number of this place, for a place whose database is removed. */
export async function releaseUid(place: Place): Promise<void> {
  if (!startedByRoot()) return;
  const uid = await recordedUid(place);
  if (uid !== null) await rm(linkOf(uid), { force: true });
}

/** Whether a user or a group has this number, in the files or in a directory service of the machine. */
async function isAccount(id: number): Promise<boolean> {
  for (const kind of ["passwd", "group"]) {
    const found = await run("getent", [kind, String(id)]).then(
      () => true,
      () => false,
    );
    if (found || (await idsIn(`/etc/${kind}`)).has(id)) return true;
  }
  return false;
}

async function idsIn(path: string): Promise<ReadonlySet<number>> {
  return new Set((await linesOf(path)).map((line) => Number(line.split(":")[2])));
}

async function linesOf(path: string): Promise<readonly string[]> {
  return (await readFile(path, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
}

/** Real, effective, saved and file-system ids of users and groups (proc_pid_status(5)). */
async function usedByProcesses(): Promise<ReadonlySet<number>> {
  if (process.platform !== "linux") {
    const { stdout } = await run("ps", ["-axo", "uid="]);
    return new Set(stdout.trim().split(/\s+/).map(Number));
  }
  const used = new Set<number>();
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    for (const [, ids = ""] of status.matchAll(/^[UG]id:\s+(.*)$/gm))
      for (const id of ids.split(/\s+/)) used.add(Number(id));
  }
  return used;
}

/**
 * The user of initdb for a server that will run as `runAs`. initdb needs the name of its user, and a number
 * of our own has none, so it runs as another account under our group. A process of another group can neither
 * enter the folder of that group nor trace the process (ptrace(2) also compares groups), so processes of that
 * account reach neither.
 */
export async function userWithName(runAs: RunAs): Promise<RunAs> {
  const accounts = (await linesOf("/etc/passwd")).map((line) => Number(line.split(":")[2]));
  if (accounts.includes(runAs.uid) || (await isAccount(runAs.uid))) return runAs;
  const running = await usedByProcesses();
  const usable = accounts.filter((uid) => uid > 0 && uid !== nobody);
  const uid = usable.find((one) => !running.has(one)) ?? usable[0];
  if (uid !== undefined) return { uid, gid: runAs.gid };
  throw new StartError(
    "This machine has no account that could make the database. Add one, and set KEYHOLD_DATABASE_USER to its name.",
  );
}

/**
 * Gives the database to the user of its server, only while no server holds it.
 * @returns whether it belonged to another user.
 */
export async function takeOver({ data, runAs }: Site): Promise<boolean> {
  if (runAs === null || !(await exists(data)) || (await stat(data)).uid === runAs.uid) return false;
  await giveTree(data, runAs);
  return true;
}

/**
 * Gives a folder and its content to a user. The former owner may change it meanwhile, so no path is followed
 * twice: folders are entered through open handles, links are skipped, and a file with a second name is
 * refused. The folder itself comes last, so that it shows an interrupted run. Throws StartError.
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
