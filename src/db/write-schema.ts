import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openDb, openPool } from "./connect.ts";
import { embeddedDatabase, startEmbedded } from "./embedded.ts";
import { ownerRole } from "./embedded/passwords.ts";
import { findPlace } from "./embedded/place.ts";
import { releaseUid } from "./embedded/user.ts";
import { migrate } from "./migrate.ts";
import { dumpSchema } from "./schema-dump.ts";
import { describeTypes } from "./schema-types.ts";

/**
 * A command: writes schema.sql and schema.ts from the migrations, in a database made for it. Run it after
 * adding a migration: `npm run schema`.
 */
const folder = await mkdtemp(join(tmpdir(), "keyhold-schema-"));
const server = await startEmbedded({ folder, durable: false });
const db = openDb(openPool(server.connection(ownerRole, embeddedDatabase), { applicationName: "schema" }));
try {
  await migrate(db);
  await writeFile(join(import.meta.dirname, "schema.sql"), await dumpSchema(db));
  await writeFile(join(import.meta.dirname, "schema.ts"), await describeTypes(db));
} finally {
  await db.destroy();
  await server.stop();
  await releaseUid(await findPlace(folder));
  await rm(dirname(server.data), { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
