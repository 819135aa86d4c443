import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { checkDue } from "../../src/credentials/check.ts";
import { openDb, openPool } from "../../src/db/connect.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { bareCustody } from "../../testkit/bare-custody.ts";
import { plainShape } from "../../testkit/connection.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";

const taskShape = z.object({
  connection: plainShape,
  keyFile: z.string(),
});
export type Task = z.infer<typeof taskShape>;

/** A worker that asks a venue which never answers, and says so when it has asked about as many as it does at once. */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
const pool = (applicationName: string) => openPool({ ...task.connection, ssl: false }, { applicationName });
const db = openDb(pool("checks"));
const pace = { atOnce: 4, perSecond: 10_000 };
const venue = new ScriptedVenue();
venue.verdict = async () => {
  if (venue.inspections === pace.atOnce) process.send?.("asked");
  await sleep(600_000);
  return valid();
};
const custody = bareCustody({
  db,
  dataKeys: new DataKeys(db, await loadKeyFile(task.keyFile)),
  stores: createStores(createPostgresStore(db)),
  recordPool: pool("record"),
});
await checkDue(venue.in(custody), pace);
