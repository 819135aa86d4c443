import type { ClientConfig } from "pg";
import { z } from "zod";

/** How to connect to a test's database, as a process of its own is told. */
export const plainShape = z.object({
  host: z.string(),
  port: z.number(),
  user: z.string(),
  password: z.string(),
  database: z.string(),
});
export type PlainConnection = z.output<typeof plainShape>;

export function plainConnection({ host, port, user, password, database }: ClientConfig): PlainConnection {
  return plainShape.parse({ host, port, user, password, database });
}

/** The same as an operator sets it. */
export function urlOf(config: ClientConfig): string {
  const { host, user, password, database } = plainConnection(config);
  return `postgres://${user}:${password}@localhost/${database}?host=${encodeURIComponent(host)}`;
}
