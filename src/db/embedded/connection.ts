import { Client, type ClientConfig, DatabaseError } from "pg";
import { type Passwords, readPasswords } from "./passwords.ts";
import { locatePlace, port } from "./place.ts";
import { isServed, readLock } from "./recover.ts";

/**
 * Connects as a user to a database of an embedded server. A role that is not one of Keyhold needs a password
 * of its own.
 */
export type Connect = (user: string, database: string) => ClientConfig;

export function connectionsOf(socketFolder: string, passwords: Passwords | null): Connect {
  return (user, database) => {
    const password = passwords?.[user];
    const secret = password === undefined ? {} : { password };
    return { host: socketFolder, port, user, database, ssl: false, ...secret };
  };
}

export async function withClient<T>(config: ClientConfig, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(config);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** SQLSTATE of an error of the server; `null` for any other. */
export function stateOf(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null;
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
