import { sql } from "kysely";
import { DatabaseError } from "pg";
import { StartError } from "../errors.ts";
import type { Db } from "./connect.ts";

/** The role of the service. It cannot bypass row-level security. */
export const appRole = "keyhold_app";
/** Owns the functions that write the record. It cannot log in. */
export const recorderRole = "keyhold_recorder";

const createApp = `create role ${appRole} login nosuperuser nobypassrls nocreatedb nocreaterole noreplication`;
const createRecorder = `create role ${recorderRole} nologin nosuperuser nobypassrls nocreatedb nocreaterole noreplication`;
/**
 * Only a member of a role can hand an object over to it. Without inheritance the membership adds no right to
 * the owner.
 */
const letHandOver = (owner: string): string =>
  `grant ${recorderRole} to ${owner} with inherit false, set true`;

/**
 * Makes the missing roles of the migrations, and lets the owner hand functions to the recorder. Roles belong
 * to the whole server, so this may race with processes of other databases. Run as the owner, or as a
 * superuser for `owner`. Throws StartError with the statements to run when the owner has too few rights, and
 * when a role has too many.
 */
export async function ensureRoles(db: Db, owner: string | null = null): Promise<void> {
  await ensure(db, sql`select from pg_roles where rolname = ${appRole}`, createApp);
  await ensure(db, sql`select from pg_roles where rolname = ${recorderRole}`, createRecorder);
  await ensure(
    db,
    sql`select where pg_has_role(coalesce(${owner}::name, current_user), ${recorderRole}, 'SET')`,
    letHandOver(owner ?? "current_user"),
  );
  await refuseTooManyRights(db);
}

/**
 * Runs `statement` unless `done` finds a row. After a failure it looks again, because another process may
 * have done the same.
 */
async function ensure(db: Db, done: ReturnType<typeof sql>, statement: string): Promise<void> {
  const isDone = async (): Promise<boolean> => (await done.execute(db)).rows.length > 0;
  if (await isDone()) return;
  try {
    await sql.raw(statement).execute(db);
  } catch (error) {
    if (await isDone()) return;
    const mayNot = error instanceof DatabaseError && error.code === insufficientPrivilege;
    throw mayNot ? new StartError(tooFewRights, { cause: error }) : error;
  }
}

async function refuseTooManyRights(db: Db): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select rolname::text as name from pg_roles
    where rolname in (${appRole}, ${recorderRole})
      and (rolsuper or rolbypassrls or rolcreaterole or (rolcanlogin and rolname = ${recorderRole}))`.execute(
    db,
  );
  const [odd] = rows;
  if (odd === undefined) return;
  throw new StartError(
    `The database role ${odd.name} has more rights than Keyhold gives it. Run as a superuser: ` +
      `alter role ${odd.name} nosuperuser nobypassrls nocreaterole${odd.name === recorderRole ? " nologin" : ""};`,
  );
}

/** SQLSTATE 42501. */
const insufficientPrivilege = "42501";

const tooFewRights =
  "The owner of the database may not create roles. Run as a superuser, with the owner's name for <owner>: " +
  `${[`${createApp} password '…'`, createRecorder, letHandOver("<owner>")].join("; ")};`;
