import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionFromUrl, openDb, openPool } from "../../../src/db/connect.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

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
  ["postgres://u:planted-password@h/d?sslmode=no-verify", "because it does not verify the server"],
  ["postgres://u:planted-password@h/d?sslmode=disable", "asks for no TLS"],
  ["postgres://u:planted-password@h/d?ssl=false", "asks for no TLS"],
  [
    "postgres://u:planted-password@h/d?host=/s&options=-crole%3Dx",
    "a value that Keyhold does not take: options",
  ],
  ["postgres://u:planted-password@h/d?options=-csearch_path%3Dx", "alter role"],
  [
    "postgres://u:planted-password@h/d?sslcert=/c&sslkey=/k",
    "a parameter that Keyhold does not read: sslcert",
  ],
  ["postgres://u:planted-password@h/d?target_session_attrs=read-only", "does not take: target_session_attrs"],
  ["postgres://u:planted-password@h/d?constructor=1", "does not read: constructor"],
  ["postgres://u:planted-password@h/d?gssencmode=require", "does not take: gssencmode"],
  ["postgres://u:planted-password@h/d?planted-password%20=1", "one with an odd name"],
  ["postgres://:planted-password@h/d", "needs a user"],
  ["postgres://u:planted-password@h", "needs a user"],
  ["postgres://u:planted-password@h:65536/d", "a port that is no number from 1 to 65535"],
  ["postgres://u:planted-password@h1:5432,h2:x/d", "a port that is no number"],
  ["postgres://u%:planted-password@h/d", "a % that begins no escape"],
  ["postgres://u:planted-password/x@h/d", "Write / as %2F"],
  ["postgres+asyncpg://u:planted-password@h/d", "not of the form"],
  ['"postgres://u:planted-password@h/d"', "not of the form"],
])("The URL %s is refused without being repeated", async (url, sentence) => {
  const refusal: unknown = await connectionFromUrl({ url, tls: "verify" }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ name: "StartError", message: expect.stringContaining(sentence) });
  expect(String(refusal)).not.toContain("planted-password");
});

test.each([
  // Neon, Supabase (direct and through its pooler), RDS with a bundle of its own, Heroku, Azure, Cloud SQL, CockroachDB, Vercel.
  [
    "postgres://u:p@ep-a-1.eu-central-1.aws.neon.tech/d?sslmode=require&channel_binding=require",
    { enableChannelBinding: true },
  ],
  [
    "postgres://u:p@ep-a-1.neon.tech/d?sslmode=verify-full&options=endpoint%3Dep-a-1",
    { options: "endpoint=ep-a-1" },
  ],
  [
    "postgresql://app.ref:p@h.pooler.supabase.com:6543/d?pgbouncer=true&connection_limit=1",
    { user: "app.ref", port: 6543, pooled: true },
  ],
  ["postgresql://u:p@db.ref.supabase.co:5432/d?sslmode=prefer", {}],
  ["postgres://u:p@ec2-1.compute.amazonaws.com:5432/d1a2", { database: "d1a2" }],
  ["postgres://admin%40srv:p@srv.postgres.database.azure.com:5432/d?sslmode=require", { user: "admin@srv" }],
  [
    "postgres://u:p@h.cockroachlabs.cloud:26257/d?sslmode=verify-full&options=--cluster%3Dwide-1",
    { options: "--cluster=wide-1" },
  ],
  [
    "postgres://u:p@ep.vercel-storage.com/d?sslmode=require&supa=base-pooler.x&connect_timeout=15&application_name=x",
    {},
  ],
  ["postgres://u:p@h/d?ssl=true", {}],
  ["postgres://u:p@h/d?sslrootcert=system&sslmode=verify-full&target_session_attrs=read-write", {}],
])("The URL %s, as hosts of PostgreSQL write theirs, is taken with TLS verified", async (url, more) => {
  const connection = await connectionFromUrl({ url, tls: "verify" });
  expect(connection).toMatchObject({ ssl: { rejectUnauthorized: true }, ...more });
});

test("A socket of Cloud SQL, and all parts as parameters, are taken", async () => {
  const socket = {
    host: "/cloudsql/p:r:i",
    port: 5432,
    user: "u",
    password: "p@/",
    database: "d",
    ssl: false,
  };
  for (const url of [
    "postgres://u:p%40%2F@/d?host=/cloudsql/p:r:i",
    "postgresql:///d?host=%2Fcloudsql%2Fp:r:i&user=u&password=p%40%2F&sslmode=disable",
    "postgres://?host=/cloudsql/p:r:i&user=u&password=p%40/&dbname=d&port=5432",
  ])
    expect(await connectionFromUrl({ url, tls: "verify" })).toEqual(socket);
});

test("Several hosts are taken, each with its port", async () => {
  const url = "postgres://u@a.example,[2001:db8::7]:6432,b.example:5433/d?target_session_attrs=primary";
  expect(await connectionFromUrl({ url, tls: "verify" })).toMatchObject({
    host: "a.example",
    port: 5432,
    others: [
      { host: "2001:db8::7", port: 6432 },
      { host: "b.example", port: 5433 },
    ],
  });
});

test("TLS that a URL demands is used on this machine too, and is not given up for a setting", async () => {
  const url = "postgres://u@localhost/d?sslmode=verify-full";
  expect(await connectionFromUrl({ url, tls: "verify" })).toMatchObject({
    ssl: { rejectUnauthorized: true },
  });
  await expect(connectionFromUrl({ url, tls: "off" })).rejects.toThrow("KEYHOLD_DATABASE_TLS is off");
});

test("A file of authorities that is missing, or holds none, is refused under the name of its setting", async () => {
  const url = "postgres://u@h/d";
  const missing = connectionFromUrl({ url, tls: "verify", caFile: "/nowhere/ca.pem" });
  await expect(missing).rejects.toThrow(
    "The file /nowhere/ca.pem of KEYHOLD_DATABASE_CA_FILE cannot be read (ENOENT)",
  );
  const none = connectionFromUrl({ url, tls: "verify", caFile: import.meta.filename });
  await expect(none).rejects.toThrow("of KEYHOLD_DATABASE_CA_FILE holds no certificate");
  const inUrl = connectionFromUrl({
    url: `${url}?sslmode=verify-full&sslrootcert=/nowhere/rds.pem`,
    tls: "verify",
  });
  await expect(inUrl).rejects.toThrow(
    "The file /nowhere/rds.pem of sslrootcert in DATABASE_URL cannot be read",
  );
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

test.each([
  ["Behind a pooler a statement keeps no name, because another session does not have it", true, 0],
  ["A statement is prepared by its name otherwise (control)", false, 1],
] as const)("%s", async (_, pooled, prepared) => {
  const pool = openPool(
    { ...database.connection("keyhold_owner"), pooled },
    { applicationName: "test", max: 1 },
  );
  const { rows } = await pool.query<{ one: number }>({
    name: "kept",
    text: "select $1::int as one",
    values: [1],
  });
  expect(rows).toEqual([{ one: 1 }]);
  expect((await pool.query("select from pg_prepared_statements where name = 'kept'")).rowCount).toBe(
    prepared,
  );
  await pool.end();
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
