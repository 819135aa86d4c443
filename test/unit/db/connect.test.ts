import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionFromUrl, openDb, openPool } from "../../../src/db/connect.ts";
import { createDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase({ empty: true });
});
afterAll(() => database.drop());

test("A URL becomes connection facts, with escapes undone", async () => {
  const url = "postgres://some%40user:p%2Fw@db.example:6543/key%20hold";
  expect(await connectionFromUrl({ url, tls: "verify" })).toEqual({
    host: "db.example",
    port: 6543,
    user: "some@user",
    password: "p/w",
    database: "key hold",
    ssl: { rejectUnauthorized: true },
  });
});

test.each([
  ["postgres://u@db.example/d", "verify", true],
  ["postgres://u@10.0.0.7/d", "verify", true],
  ["postgres://u@[2001:db8::7]/d", "verify", true],
  ["postgres://u@localhost.example/d", "verify", true],
  ["postgres://u@db.example/d", "off", false],
  ["postgres://u@localhost/d", "verify", false],
  ["postgres://u@127.0.0.1/d", "verify", false],
  ["postgres://u@[::1]/d", "verify", false],
  ["postgres://u@localhost/d?host=/run/postgresql", "verify", false],
  ["postgres://u@%2Frun%2Fpostgresql/d", "verify", false],
  ["postgres://u@localhost/d?host=db.example", "verify", true],
] as const)("For %s with tls %s the connection uses TLS: %s", async (url, tls, uses) => {
  const { ssl } = await connectionFromUrl({ url, tls });
  expect(ssl).toEqual(uses ? { rejectUnauthorized: true } : false);
});

test.each([
  ["mysql://u:planted-password@h/d", "not of the form"],
  ["not a url, planted-password", "not of the form"],
  ["postgres://u:planted-password@h/d?sslmode=no-verify", "a parameter that Keyhold does not read: sslmode"],
  ["postgres://u:planted-password@h/d?host=/s&options=-crole%3Dx", "does not read: options"],
  ["postgres://:planted-password@h/d", "needs a user"],
  ["postgres://u:planted-password@h", "needs a user"],
])("The URL %s is refused without being repeated", async (url, sentence) => {
  const refusal: unknown = await connectionFromUrl({ url, tls: "verify" }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ name: "StartError", message: expect.stringContaining(sentence) });
  expect(String(refusal)).not.toContain("planted-password");
});

test("Values become the types that the program counts on", async () => {
  const { rows } =
    await sql`select 9007199254740991::int8 as big, '2026-01-02 03:04:05.678+02'::timestamptz as moment,
    '\\x00ff'::bytea as bytes, '{"a":[1]}'::jsonb as json, '2026-01-02'::date as day, 1.50::numeric as exact`.execute(
      database.owner,
    );
  expect(rows).toEqual([
    {
      big: Number.MAX_SAFE_INTEGER,
      moment: new Date("2026-01-02T01:04:05.678Z"),
      bytes: Buffer.of(0x00, 0xff),
      json: { a: [1] },
      day: "2026-01-02",
      exact: "1.50",
    },
  ]);
});

test("An integer that a number cannot hold fails instead of being rounded", async () => {
  await expect(sql`select 9007199254740993::int8 as big`.execute(database.owner)).rejects.toThrow(
    "no safe integer",
  );
});

test("The server can tell who is connected", async () => {
  const { rows } =
    await sql`select application_name from pg_stat_activity where pid = pg_backend_pid()`.execute(
      database.owner,
    );
  expect(rows).toEqual([{ application_name: "test" }]);
});

test("A connection that the server ends while idle is reported and replaced", async () => {
  const broken = Promise.withResolvers<Error>();
  const pool = openPool(database.connection("keyhold_owner"), {
    applicationName: "to be ended",
    onBroken: broken.resolve,
  });
  const db = openDb(pool);
  await sql`select 1`.execute(db);
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to be ended'`.execute(
    database.owner,
  );
  expect((await broken.promise).message).toContain("terminating connection");
  await expect(sql`select 1 as one`.execute(db)).resolves.toMatchObject({ rows: [{ one: 1 }] });
  await db.destroy();
});
