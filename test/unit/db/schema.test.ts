import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Insertable, sql, type Updateable } from "kysely";
import { afterAll, beforeAll, expect, expectTypeOf, test } from "vitest";
import type { PackedRecord } from "../../../src/crypto/packed-fields.ts";
import { migrationFolder } from "../../../src/db/migrate.ts";
import { dumpSchema } from "../../../src/db/schema-dump.ts";
import { describeTypes } from "../../../src/db/schema-types.ts";
import type { Database } from "../../../src/db/schema.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test("src/db/schema.sql is what the migrations make", async () => {
  const committed = await readFile(join(migrationFolder, "..", "schema.sql"), "utf8");
  const dump = await dumpSchema(database.owner);
  expect(dump, "Run `npm run schema` and commit src/db/schema.sql.").toBe(committed);
});

test("src/db/schema.ts has the types of what the migrations make", async () => {
  const committed = await readFile(join(migrationFolder, "..", "schema.ts"), "utf8");
  const types = await describeTypes(database.owner);
  expect(types, "Run `npm run schema` and commit src/db/schema.ts.").toBe(committed);
  await sql`alter table accounts add column mood text check (mood in ('good', 'bad'))`.execute(
    database.owner,
  );
  expect(await describeTypes(database.owner)).toContain('  mood: "good" | "bad" | null;');
  await sql`alter table accounts drop column mood`.execute(database.owner);
});

test("sealed bytes alone are stored, and only once; the record is read and never written", () => {
  type Sealed = Database["sealed_secrets"];
  expectTypeOf<Insertable<Sealed>["sealed"]>().toEqualTypeOf<PackedRecord>();
  expectTypeOf<Uint8Array>().not.toExtend<Insertable<Sealed>["sealed"]>();
  expectTypeOf<string>().not.toExtend<Insertable<Sealed>["sealed"]>();
  expectTypeOf<Updateable<Sealed>>().not.toHaveProperty("sealed");
  expectTypeOf<Insertable<Database["audit.links"]>>().not.toHaveProperty("events");
});

const changes = [
  "alter table accounts no force row level security",
  "alter table accounts disable row level security",
  "alter policy account_reads on accounts using (true)",
  "alter policy account_reads on accounts to public",
  "drop policy account_reads on accounts",
  "grant truncate on accounts to keyhold_app",
  "grant update (events) on audit.links to keyhold_app",
  "grant create on schema audit to keyhold_app",
  "alter function access.api_key(bytea) security invoker",
  "alter function access.api_key(bytea) reset search_path",
  "alter function access.api_key(bytea) owner to keyhold_owner",
  "grant execute on function access.api_key(bytea) to public",
  "drop trigger begin_chain on tenants",
  "drop index accounts_by_owner",
  "alter table accounts alter column name drop not null",
  "alter table accounts alter column name set default 'x'",
  "alter table accounts drop constraint accounts_name_check",
  "alter table accounts owner to keyhold_app",
  "create view everything as select * from accounts",
  "alter view everything set (security_invoker = true)",
  "grant select on everything to keyhold_app",
  "create sequence numbers",
  "create type mood as enum ('good')",
  "create domain word as text check (value <> '')",
];

// One after the other, each against the dump before it.
test("Every change of what a reviewer must see changes the dump", async () => {
  let before = await dumpSchema(database.owner);
  for (const change of changes) {
    await sql.raw(change).execute(database.owner);
    const after = await dumpSchema(database.owner);
    expect.soft(after, change).not.toBe(before);
    before = after;
  }
});
