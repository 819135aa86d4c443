import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { Migrator, type Migration } from "kysely/migration";
import { DatabaseError } from "pg";
import { StartError } from "../errors.ts";
import type { Db } from "./connect.ts";

type SqlFile = Readonly<{ name: string; text: string; digest: string }>;

const schema = "migrations";
export const migrationFolder = join(import.meta.dirname, "migrations");

/**
 * Migrates the database to the version of this program: all pending migrations in one transaction, under a
 * lock, so that any number of processes may call it at once. Run as the owner, with a pool of at least two
 * connections. Throws StartError, with nothing changed, when a migration fails, when an applied migration was
 * edited, and when the database is newer than the program.
 * @returns the names of the applied migrations.
 */
export async function migrate(
  db: Db,
  options: Readonly<{
    /** A folder of NNNN_name.sql files; the migrations of this program when left out. */
    folder?: string;
    /** Start although the database has migrations that this program does not know. */
    allowNewer?: boolean;
  }> = {},
): Promise<string[]> {
  const files = await readMigrations(options.folder ?? migrationFolder);
  const migrator = new Migrator({
    db,
    migrationTableSchema: schema,
    migrationTableName: "applied",
    migrationLockTableName: "lock",
    // The Migrator calls this while it holds its lock, so the compared state cannot change before it is used.
    provider: { getMigrations: () => provide(db, files, options.allowNewer ?? false) },
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error === undefined) return results.map((result) => result.migrationName);
  if (error instanceof StartError) throw error;
  const failed = results.find((result) => result.status === "Error");
  throw new StartError(
    `The database could not be migrated${failed === undefined ? "" : `: ${failed.migrationName} failed`}. Nothing was changed.${mayNot(error)}`,
    { cause: error },
  );
}

/** SQLSTATE 42501 (insufficient_privilege): its message names an object of the schema and no value. */
function mayNot(error: unknown): string {
  if (!(error instanceof DatabaseError) || error.code !== "42501") return "";
  return ` The role of KEYHOLD_OWNER_DATABASE_URL has too few rights (${error.message}). Make it the owner of the database.`;
}

/** The names of the migrations that `migrate` would apply, in order. Changes nothing. Run as the owner. */
export async function pendingMigrations(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ there: boolean }>`
    select to_regclass(${`${schema}.digests`}) is not null as there`.execute(db);
  const applied = rows[0]?.there === true ? await selectDigests(db) : new Map<string, string>();
  const files = await readMigrations(migrationFolder);
  return files.map(({ name }) => name).filter((name) => !applied.has(name));
}

async function readMigrations(folder: string): Promise<SqlFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(names.map((name) => readMigration(folder, name)));
}

async function readMigration(folder: string, fileName: string): Promise<SqlFile> {
  if (!/^\d{4}_[a-z0-9_]+\.sql$/.test(fileName)) {
    throw new StartError(`The migration ${fileName} is not named like 0001_what_it_does.sql.`);
  }
  const text = await readFile(join(folder, fileName), "utf8");
  return {
    name: fileName.replace(/\.sql$/, ""),
    text,
    digest: createHash("sha256").update(text).digest("hex"),
  };
}

async function provide(
  db: Db,
  files: readonly SqlFile[],
  allowNewer: boolean,
): Promise<Record<string, Migration>> {
  const applied = await readDigests(db);
  for (const file of files) refuseEdited(file, applied.get(file.name));
  const known = new Set(files.map((file) => file.name));
  const unknown = [...applied.keys()].filter((name) => !known.has(name));
  if (unknown.length > 0 && !allowNewer) {
    throw new StartError(
      `The database is newer than this program: it has ${unknown.join(", ")}. Start the version that made it, or a later one.`,
    );
  }
  return Object.fromEntries([
    ...files.map((file) => [file.name, asMigration(file)] as const),
    ...unknown.map((name) => [name, { up: () => Promise.resolve() }] as const),
  ]);
}

function refuseEdited(file: SqlFile, applied: string | undefined): void {
  if (applied === undefined || applied === file.digest) return;
  throw new StartError(
    `The migration ${file.name} was edited after it had been applied. Restore it and write the change as a new migration.`,
  );
}

function asMigration(file: SqlFile): Migration {
  return {
    async up(tx) {
      const forced = await liftPolicies(tx);
      await sql.raw(file.text).execute(tx);
      for (const table of forced)
        await sql`alter table if exists ${sql.raw(table)} force row level security`.execute(tx);
      await sql`insert into ${digests} (name, sha256) values (${file.name}, ${file.digest})`.execute(tx);
    },
  };
}

/**
 * Forced policies also bind the owner, who sees no row without a tenant: an update of a migration would
 * silently skip all rows. So the force is lifted until the migration is done.
 * @returns the tables whose policies must be forced again.
 */
async function liftPolicies(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relforcerowsecurity and c.relowner = (select oid from pg_roles where rolname = current_user)
      and row_security_active(c.oid)
    order by c.oid`.execute(db);
  const names = rows.map(({ name }) => name);
  for (const name of names) await sql`alter table ${sql.raw(name)} no force row level security`.execute(db);
  return names;
}

const digests = sql.table(`${schema}.digests`);

async function readDigests(db: Db): Promise<Map<string, string>> {
  await sql`create table if not exists ${digests} (name text primary key, sha256 text not null)`.execute(db);
  return selectDigests(db);
}

async function selectDigests(db: Db): Promise<Map<string, string>> {
  const { rows } = await sql<{ name: string; sha256: string }>`select name, sha256 from ${digests}`.execute(
    db,
  );
  return new Map(rows.map((row) => [row.name, row.sha256]));
}
