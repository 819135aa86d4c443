import { Client, type ClientConfig } from "pg";

/** The rows that a statement gives, over a connection of its own. */
export async function query(config: ClientConfig, text: string): Promise<unknown[]> {
  const client = new Client(config);
  // A server that goes away ends the connection as well as the query.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
