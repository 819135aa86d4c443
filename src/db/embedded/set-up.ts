import { Client, type ClientConfig, DatabaseError } from "pg";
import { openDb, openPool } from "../connect.ts";
import { appRole, ensureRoles } from "../roles.ts";
import { ownerRole, type Passwords, superuserRole } from "./passwords.ts";
import { port } from "./place.ts";

/**
 * Connects as a user to a database of an embedded server. A role that is not one of Keyhold needs a password
 * of its own.
 */
export type Connect = (user: string, database: string) => ClientConfig;

export function connectionsOf(socketFolder: string, passwords: Passwords | null): Connect {
  return (user, database) => {
    const password = passwords?.[user];
    const secret = password === undefined ? {} : { password };
    return { host: socketFolder, port, user, database, ssl: false, ...secret };
  };
}

export async function withClient<T>(config: ClientConfig, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(config);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** SQLSTATE of an error of the server; `null` for any other. */
function stateOf(error: unknown): string | null {
  return error instanceof DatabaseError ? (error.code ?? null) : null;
}

const createOwner = `create role ${ownerRole} login nosuperuser nobypassrls nocreatedb nocreaterole noreplication`;

/**
 * Makes the roles and the database as the superuser, and sets the passwords. It runs at each start, because
 * the start that made the cluster may have been killed before, and a newer Keyhold may need more.
 */
export async function setUp(connect: Connect, database: string, passwords: Passwords): Promise<void> {
  const superuser = connect(superuserRole, "postgres");
  await withClient(superuser, async (client) => {
    const owner = await client.query("select from pg_roles where rolname = $1", [ownerRole]);
    if (owner.rowCount === 0) await client.query(createOwner);
    const found = await client.query("select from pg_database where datname = $1", [database]);
    if (found.rowCount === 0) await client.query(`create database ${database} owner ${ownerRole}`);
  });
  const db = openDb(openPool(superuser, { applicationName: "keyhold set-up", max: 1 }));
  try {
    await ensureRoles(db, ownerRole);
  } finally {
    await db.destroy();
  }
  await withClient(superuser, async (client) => {
    for (const role of [ownerRole, appRole])
      await client.query(`alter role ${role} password '${passwords[role]}'`);
  });
}

/** Another superuser while the first one is renamed, because no role renames itself. */
const renamer = "keyhold_conversion";

/** SQLSTATE 28000: there is no such role. 3D000: there is no such database. */
const noRole = "28000";
const noDatabase = "3D000";

/**
 * Converts a cluster whose server demands nothing to one that can demand these passwords. In an older cluster
 * `keyhold_owner` is the superuser that the cluster was made with. It cannot lose that right, so it is
 * renamed, and a new role of that name gets what it owned, in one transaction. An interrupted run is repeated
 * from the beginning.
 */
export async function convert(connect: Connect, database: string, passwords: Passwords): Promise<void> {
  if (!(await isThere(connect(superuserRole, "postgres")))) {
    await withClient(connect(ownerRole, "postgres"), async (client) => {
      await client.query(`drop role if exists ${renamer}`);
      await client.query(`create role ${renamer} superuser login`);
    });
    const hasDatabase = await isThere(connect(renamer, database));
    await withClient(connect(renamer, hasDatabase ? database : "postgres"), (client) =>
      inTransaction(client, [
        `alter role ${ownerRole} rename to ${superuserRole}`,
        createOwner,
        ...(hasDatabase ? [handOver, `alter database ${database} owner to ${ownerRole}`] : []),
      ]),
    );
  }
  await withClient(connect(superuserRole, "postgres"), async (client) => {
    await client.query(`drop role if exists ${renamer}`);
    await client.query(`alter role ${superuserRole} password '${passwords[superuserRole]}'`);
  });
}

async function isThere(config: ReturnType<Connect>): Promise<boolean> {
  try {
    await withClient(config, () => Promise.resolve());
    return true;
  } catch (error) {
    const state = stateOf(error);
    if (state === noRole || state === noDatabase) return false;
    throw error;
  }
}

async function inTransaction(client: Client, statements: readonly string[]): Promise<void> {
  await client.query("begin");
  for (const statement of statements) await client.query(statement);
  await client.query("commit");
}

/**
 * REASSIGN OWNED refuses the superuser that a cluster was made with, because it also owns the objects of the
 * system, whose ids are below 16384. What belongs to a table (indexes, identity columns, row types) follows
 * the table.
 */
const handOver = `
do $$
declare statement text;
begin
  for statement in
    select format('alter schema %I owner to ${ownerRole}', nspname) from pg_namespace
      where nspowner = 10 and oid >= 16384
    union all
    select format('alter table %I.%I owner to ${ownerRole}', n.nspname, c.relname)
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relowner = 10 and c.oid >= 16384 and n.nspname !~ '^pg_'
        and (c.relkind in ('r', 'p', 'v', 'm') or c.relkind = 'S' and not exists (select from pg_depend d
          where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')))
    union all
    select format('alter routine %s owner to ${ownerRole}', p.oid::regprocedure) from pg_proc p
      where p.proowner = 10 and p.oid >= 16384
    union all
    select format('alter type %I.%I owner to ${ownerRole}', n.nspname, t.typname)
      from pg_type t join pg_namespace n on n.oid = t.typnamespace
      where t.typowner = 10 and t.oid >= 16384 and t.typtype in ('d', 'e', 'r')
  loop
    execute statement;
  end loop;
end $$`;
