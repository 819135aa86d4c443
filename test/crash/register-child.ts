import { Kysely, PostgresDialect, sql } from "kysely";
import { Pool } from "pg";
import { z } from "zod";
import { change } from "../../src/audit/change.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { lockCredential, updateCredential } from "../../src/credentials/rows.ts";
import { endVersions, insertVersion } from "../../src/credentials/versions.ts";
import { seal } from "../../src/crypto/envelope.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { type Db, types } from "../../src/db/connect.ts";
import type { Database } from "../../src/db/schema.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import type { SecretFields } from "../../src/venues/venue.ts";
import { bareCustody } from "../../testkit/bare-custody.ts";
import { plainShape } from "../../testkit/connection.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { memberOf } from "../../testkit/tenants.ts";

const taskShape = z.object({
  /** `careless` is what `replace` must not be: it points the credential at the new version first, and writes that after. */
  what: z.enum(["register", "replace", "careless"]),
  connection: plainShape,
  keyFile: z.string(),
  tenantId: z.string(),
  memberId: z.string(),
  accountId: z.string(),
  credentialId: z.string(),
  /** The statement to die at; 0 for none. */
  at: z.number(),
  /** `after`: the statement leaves first, so that the server carries it out, and the answer is not waited for. */
  die: z.enum(["before", "after"]),
});
export type Task = z.infer<typeof taskShape>;

/** A process of Keyhold that dies at one of its statements. When it did not, it tells all that it sent. */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
const sent: string[] = [];
const mortal = new WeakSet<object>();

function openMortalDb(): Db {
  const pool = new Pool({ ...task.connection, ssl: false, types });
  const dialect = new PostgresDialect({
    pool,
    onReserveConnection(connection) {
      if (mortal.has(connection)) return Promise.resolve();
      mortal.add(connection);
      const execute = connection.executeQuery.bind(connection);
      connection.executeQuery = (query, options) => {
        sent.push(query.sql);
        const last = sent.length === task.at;
        if (last && task.die === "before") process.kill(process.pid, "SIGKILL");
        if (last) setImmediate(() => process.kill(process.pid, "SIGKILL"));
        return execute(query, options);
      };
      return Promise.resolve();
    },
  });
  return new Kysely<Database>({ dialect });
}

const db = openMortalDb();
const recordPool = new Pool({ ...task.connection, ssl: false, types });
const unwired = bareCustody({
  db,
  recordPool,
  dataKeys: new DataKeys(db, await loadKeyFile(task.keyFile)),
  stores: createStores(createPostgresStore(db)),
});
const custody = new ScriptedVenue().in(unwired);
const member = memberOf(task.tenantId, task.memberId, "owner");
const fields: SecretFields = new Map([
  ["api_key", Secret.fromText("new-key")],
  ["api_secret", Secret.fromText("new-secret")],
]);

const works: Readonly<Record<Task["what"], () => Promise<unknown>>> = {
  register: () =>
    register(custody, member, {
      accountId: task.accountId,
      venue: "scripted",
      environment: "live",
      fields,
      policy: { reveal: true },
    }),
  replace: () => replace(custody, member, task.credentialId, 1, fields),
  careless: () => replaceCarelessly(task.credentialId),
};

async function replaceCarelessly(credentialId: string): Promise<void> {
  const { tenantId } = task;
  const key = await custody.dataKeys.toSeal(tenantId, 1);
  await change(db, member, async (tx) => {
    const row = await lockCredential(tx, credentialId);
    if (row === undefined) throw new Error("there is no such credential");
    await endVersions(tx, credentialId);
    await sql`update credentials set last_version = 2 where id = ${credentialId}`.execute(tx);
    await insertVersion(tx, await updateCredential(tx, credentialId, { version: 2 }), key.id);
    return {
      value: {},
      events: [{ event: "credential.secret_replaced", detail: { credential_id: credentialId, version: 2 } }],
    };
  });
  const ref = { tenantId, credentialId, venue: "scripted", environment: "live", version: 2 };
  const sealed = [...fields].map(
    ([field, secret]) => [field, seal(key, { tenantId, credentialId, version: 2, field }, secret)] as const,
  );
  await custody.stores.first.put(ref, new Map(sealed));
}

await works[task.what]();
process.stdout.write(JSON.stringify(sent));
await Promise.all([db.destroy(), recordPool.end()]);
