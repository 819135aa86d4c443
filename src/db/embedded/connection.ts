import { Client, type ClientConfig, DatabaseError } from "pg";
import type { Passwords } from "./passwords.ts";
import { port } from "./place.ts";

/** How to connect as a user to a database of an embedded server. A role that is not Keyhold's brings its own password. */
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
