import { inspect } from "node:util";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scrubDatabaseError } from "../../../src/telemetry/reduce-error.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

const planted = "planted-value-7c1e";
let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ empty: true });
  await sql`create table things (name text unique, size int check (size < 10), id uuid)`.execute(
    database.owner,
  );
  await sql`insert into things values (${planted}, 1)`.execute(database.owner);
});
afterAll(() => database.drop());

test.each([
  ["a duplicate key", sql`insert into things values (${planted}, 2)`, "23505"],
  ["a failed check", sql`insert into things values (${`${planted} again`}, 20)`, "23514"],
  ["a text that is no uuid", sql`insert into things (id) values (${planted})`, "22P02"],
])("Of %s what may be told holds no value, and the raw error does", async (_, statement, code) => {
  const error: unknown = await statement.execute(database.owner).catch((error: unknown) => error);
  expect(inspect(error), "the control").toContain(planted);
  const facts = scrubDatabaseError(error);
  expect(facts?.code).toBe(code);
  expect(inspect(facts)).not.toContain(planted);
});

test("What may be told still says where it happened", async () => {
  const statement = sql`insert into things values (${planted}, 2)`.execute(database.owner);
  const error: unknown = await statement.catch((error: unknown) => error);
  expect(scrubDatabaseError(error)).toEqual({
    code: "23505",
    severity: "ERROR",
    table: "things",
    constraint: "things_name_key",
    routine: "_bt_check_unique",
  });
});

test("An error that is not the database's is none of its business", () => {
  expect(scrubDatabaseError(new Error("connect ECONNREFUSED"))).toBeNull();
});
