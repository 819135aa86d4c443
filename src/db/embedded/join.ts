import type { ClientConfig } from "pg";
import { readLock } from "./lock.ts";
import { findPlace, port } from "./place.ts";
import { isServed } from "./recover.ts";

/** A server that another Keyhold started and owns. */
export type JoinedPostgres = Readonly<{
  connection(user: string, database: string): ClientConfig;
  data: string;
}>;

/**
 * The embedded server of the state folder `folder`, where a Keyhold is running on it: for commands of an operator beside the
 * service. `null` when there is none, or its Keyhold was killed.
 */
export async function joinEmbedded(folder: string): Promise<JoinedPostgres | null> {
  const { data } = await findPlace(folder);
  const lock = await readLock(data);
  if (lock?.ready !== true || !(await isServed(lock.pid, data))) return null;
  const { socketFolder: host } = lock;
  return { data, connection: (user, database) => ({ host, port, user, database, ssl: false }) };
}
