import { openDb, openPool } from "../connect.ts";
import { appRole, ensureRoles } from "../roles.ts";
import { type Connect, withClient } from "./connection.ts";
import { ownerRole, type Passwords, superuserRole } from "./passwords.ts";

export const createOwner = `create role ${ownerRole} login nosuperuser nobypassrls nocreatedb nocreaterole noreplication`;

/**
 * Makes the roles and the database, as the superuser, and sets the passwords. On every start, because the one that made the cluster may
 * have been killed before it came here, and a newer Keyhold may need more.
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
