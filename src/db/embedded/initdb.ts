import { execFile } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { StartError } from "../../errors.ts";
import type { Binaries } from "./binaries.ts";
import { demandPasswords, type Passwords, superuserRole } from "./passwords.ts";
import { giveTo, hasDatabase, type Place, type RunAs, type Site } from "./place.ts";
import { giveTree, userWithName } from "./user.ts";

const run = promisify(execFile);

/**
 * Makes a new cluster unless there is one. It is made beside its place and moved there as a whole, so that a
 * killed start leaves no half cluster.
 * @returns whether it made one.
 */
export async function createCluster(
  binaries: Binaries,
  site: Site,
  passwords: Passwords,
  durable: boolean,
): Promise<boolean> {
  if (await hasDatabase(site)) return false;
  const draft = await mkdtemp(draftPrefix(site));
  try {
    await makeIn(draft, binaries, site, passwords, durable);
    await rename(join(draft, "data"), site.data);
  } catch (cause) {
    throw new StartError(
      `The embedded PostgreSQL could not make a database in ${site.data} (${lastWords(cause)}).`,
      { cause },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return true;
}

async function makeIn(
  draft: string,
  { initdb }: Binaries,
  { runAs }: Site,
  passwords: Passwords,
  durable: boolean,
): Promise<void> {
  const maker = runAs === null ? null : await userWithName(runAs);
  const data = join(draft, "data");
  const passwordFile = join(draft, "password");
  await writeFile(passwordFile, passwords[superuserRole] ?? "", { mode: 0o600 });
  await mkdir(data, { mode: 0o700 });
  if (maker !== null) await openForGroup(draft, passwordFile, maker);
  await giveTo(maker, data);
  await run(initdb, initdbArguments(data, passwordFile, durable), { cwd: data, env: {}, ...maker });
  if (runAs !== null) await giveTree(data, runAs);
  await demandPasswords({ data, runAs }, passwords);
}

async function openForGroup(draft: string, passwordFile: string, { gid }: RunAs): Promise<void> {
  await chown(draft, 0, gid);
  await chmod(draft, 0o710);
  await chown(passwordFile, 0, gid);
  await chmod(passwordFile, 0o640);
}

/** The last line of initdb, or why it could not be run. */
function lastWords(cause: unknown): string {
  if (!(cause instanceof Error)) return "it gave no reason";
  const said = "stderr" in cause && typeof cause.stderr === "string" ? cause.stderr.trim() : "";
  return said.split("\n").at(-1) || cause.message;
}

/**
 * Removes what killed starts left. Only while the cluster is held, so that no other process is making one.
 */
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

function initdbArguments(data: string, passwordFile: string, durable: boolean): string[] {
  return [
    `--pgdata=${data}`,
    `--username=${superuserRole}`,
    `--pwfile=${passwordFile}`,
    "--auth-local=scram-sha-256",
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
