import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { type Db, openDb, openPool } from "../../../src/db/connect.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

const root = await mkdtemp(join(tmpdir(), "keyhold-migrations-"));
let database: TestDatabase;

beforeEach(async () => {
  database = await createDatabase({ empty: true });
});
afterEach(() => database.drop());
afterAll(() => rm(root, { recursive: true }));

const first = { "0001_words.sql": "create table words (word text); insert into words values ('one');" };
const second = { "0002_more.sql": "insert into words values ('two');" };

test("Migrations are applied in the order of their names, and once", async () => {
  const folder = await write({ ...second, ...first });
  expect(await migrate(database.owner, { folder })).toEqual(["0001_words", "0002_more"]);
  expect(await migrate(database.owner, { folder })).toEqual([]);
  expect(await words(database.owner)).toEqual(["one", "two"]);
});

test("A file may hold functions, triggers and policies", async () => {
  const folder = await write({
    "0001_all.sql": `
      create table t (id int primary key, n int);
      create function grow() returns trigger language plpgsql as $$ begin new.n := new.id + 1; return new; end $$;
      create trigger grow before insert on t for each row execute function grow();
      alter table t enable row level security; alter table t force row level security;
      create policy everything on t using (true) with check (true);
      insert into t (id) values (1);`,
  });
  await migrate(database.owner, { folder });
  expect((await sql`select id, n from t`.execute(database.owner)).rows).toEqual([{ id: 1, n: 2 }]);
});

test("A migration reaches the rows of all tenants, though policies bind the owner who runs it, and binds it again", async () => {
  const files = {
    "0001_rows.sql": `
      create table t (id int primary key, n int default 0);
      insert into t (id) values (1), (2);
      alter table t enable row level security; alter table t force row level security;`,
  };
  const owner = openOwner();
  await migrate(owner, { folder: await write(files) });
  const update = sql`update t set n = n + 1`;
  expect((await update.execute(owner)).numAffectedRows, "the control: outside of a migration").toBe(0n);
  await migrate(owner, {
    folder: await write({ ...files, "0002_more.sql": "update t set n = 7; create table u (id int);" }),
  });
  expect((await sql`select id, n from t order by id`.execute(database.owner)).rows).toEqual([
    { id: 1, n: 7 },
    { id: 2, n: 7 },
  ]);
  expect((await update.execute(owner)).numAffectedRows).toBe(0n);
  await owner.destroy();
});

test("Of three that start at once, one migrates and the others find it done", async () => {
  const folder = await write({ ...first, "0002_slow.sql": "select pg_sleep(0.2);" });
  const starters = [1, 2, 3].map(() => openOwner());
  const applied = await Promise.all(starters.map((db) => migrate(db, { folder })));
  await Promise.all(starters.map((db) => db.destroy()));
  expect(applied.toSorted((a, b) => b.length - a.length)).toEqual([["0001_words", "0002_slow"], [], []]);
  expect(await words(database.owner)).toEqual(["one"]);
});

test("A broken migration changes nothing, not even what came before it, and is named", async () => {
  const folder = await write({
    ...first,
    "0002_broken.sql": "insert into words values ('two'); select 1/0;",
  });
  await expect(migrate(database.owner, { folder })).rejects.toThrow(
    "0002_broken failed. Nothing was changed.",
  );
  await expect(words(database.owner)).rejects.toThrow('relation "words" does not exist');
  await write({ "0002_broken.sql": "insert into words values ('two');" }, folder);
  expect(await migrate(database.owner, { folder }), "mended, it is applied").toHaveLength(2);
});

test("A migration that was edited after it was applied stops the start", async () => {
  const folder = await write(first);
  await migrate(database.owner, { folder });
  await write({ "0001_words.sql": `${first["0001_words.sql"]} -- a harmless remark`, ...second }, folder);
  await expect(migrate(database.owner, { folder })).rejects.toThrow(
    "The migration 0001_words was edited after it had been applied.",
  );
  expect(await words(database.owner), "and nothing that follows is applied").toEqual(["one"]);
});

test("A database that is newer than the program is refused, unless the operator says otherwise", async () => {
  const folder = await write({ ...first, ...second });
  await migrate(database.owner, { folder });
  await rm(join(folder, "0002_more.sql"));
  await expect(migrate(database.owner, { folder })).rejects.toThrow(
    "newer than this program: it has 0002_more",
  );
  expect(await migrate(database.owner, { folder, allowNewer: true })).toEqual([]);
});

test("A file with another kind of name is refused, for its place in the order would be a matter of luck", async () => {
  const folder = await write({ ...first, "2_more.sql": "select 1;" });
  await expect(migrate(database.owner, { folder })).rejects.toThrow("2_more.sql is not named like");
});

test("The migrations of this program apply to an empty database", async () => {
  const applied = await migrate(database.owner);
  expect(applied.length).toBeGreaterThan(0);
});

async function write(files: Readonly<Record<string, string>>, into?: string): Promise<string> {
  const folder = into ?? (await mkdtemp(join(root, "set-")));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

function openOwner(): Db {
  return openDb(openPool(database.connection("keyhold_owner"), { applicationName: "test", max: 2 }));
}

async function words(db: Db): Promise<string[]> {
  const { rows } = await sql<{ word: string }>`select word from words order by word`.execute(db);
  return rows.map(({ word }) => word);
}
