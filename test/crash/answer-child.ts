import { Kysely, PostgresDialect } from "kysely";
import { Pool } from "pg";
import { z } from "zod";
import { openLocalIssuer } from "../../src/access/local-issuer.ts";
import { types } from "../../src/db/connect.ts";
import type { Database } from "../../src/db/schema.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { createApi } from "../../testkit/api.ts";
import { bareCustody } from "../../testkit/bare-custody.ts";
import { plainShape } from "../../testkit/connection.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const taskShape = z.object({
  connection: plainShape,
  keyFile: z.string(),
  /** The keys of the local issuer. */
  folder: z.string(),
  token: z.string(),
  method: z.enum(["POST", "PUT", "PATCH", "DELETE"]),
  path: z.string(),
  body: z.record(z.string(), z.unknown()).optional(),
  headers: z.record(z.string(), z.string()),
  /** When it dies: with the commit of the change that was answered. */
  die: z.enum(["before the commit", "after the commit"]),
});
export type Task = z.infer<typeof taskShape>;

/** A process of the service that takes one request and dies at the commit of its change: nobody gets the answer. */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
const mortal = new WeakSet<object>();

function open(pool: Pool): Kysely<Database> {
  return new Kysely<Database>({
    dialect: new PostgresDialect({
      pool,
      onReserveConnection(connection) {
        if (mortal.has(connection)) return Promise.resolve();
        mortal.add(connection);
        const execute = connection.executeQuery.bind(connection);
        let isAnswered = false;
        connection.executeQuery = (query, options) => {
          if (query.sql.includes("access.keep_answer")) isAnswered = true;
          if (!isAnswered || query.sql !== "commit") return execute(query, options);
          if (task.die === "before the commit") process.kill(process.pid, "SIGKILL");
          void execute(query, options).finally(() => process.kill(process.pid, "SIGKILL"));
          return Promise.withResolvers<never>().promise;
        };
        return Promise.resolve();
      },
    }),
  });
}

const pool = new Pool({ ...task.connection, ssl: false, types });
const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
const custody = new ScriptedVenue().in(
  bareCustody({
    db,
    recordPool: pool,
    dataKeys: new DataKeys(db, await loadKeyFile(task.keyFile)),
    stores: createStores(createPostgresStore(db)),
  }),
);
const site = { custody, database: { connection: () => ({ ...task.connection, ssl: false }) } };
const api = await createApi(site, await openLocalIssuer(task.folder), { open });
const { method, path, body, headers } = task;
const sent = { ...(body === undefined ? {} : { body }), headers };
const answered = await api.as(task.token).send(method, path, sent);
process.stdout.write(`it lived: ${answered.status} ${answered.text}`);
process.exit(0);
