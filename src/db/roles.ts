import { sql } from "kysely";
import { DatabaseError } from "pg";
import { StartError } from "../errors.ts";
import type { Db } from "./connect.ts";

/** Serves. Cannot pass row-level security. */
export const appRole = "keyhold_app";
/** Owns the functions that write the record. Nobody logs in as it. */
export const recorderRole = "keyhold_recorder";

const statements: Readonly<Record<string, string>> = {
  [appRole]: `create role ${appRole} login nosuperuser nobypassrls nocreatedb nocreaterole noreplication`,
  [recorderRole]: `create role ${recorderRole} nologin nosuperuser nobypassrls nocreatedb nocreaterole noreplication`,
};

/** Answers of a server whose roles another process, or a process in another database, is creating just now. */
const madeMeanwhile = new Set(["42710", "23505", "XX000"]);
const notAllowed = "42501";

/**
 * Makes the roles that the migrations name, where they are missing, and lets the owner hand functions to the recorder.
 * Roles belong to the whole server, so this may race with other databases' processes. Run as the owner.
 * Throws StartError with the statements to run where the owner may not make roles.
 */
export async function ensureRoles(db: Db): Promise<void> {
  for (const [role, statement] of Object.entries(statements)) {
    if (!(await roleExists(db, role))) await create(db, role, statement);
  }
  await letOwnerHandOver(db);
}

async function roleExists(db: Db, role: string): Promise<boolean> {
  const found = await sql`select from pg_roles where rolname = ${role}`.execute(db);
  return found.rows.length > 0;
}

async function create(db: Db, role: string, statement: string): Promise<void> {
  try {
    await sql.raw(statement).execute(db);
  } catch (error) {
    const code = codeOf(error);
    if (code === notAllowed) throw new StartError(tellOperator, { cause: error });
    if (!madeMeanwhile.has(code ?? "") || !(await roleExists(db, role))) throw error;
  }
}

/** Only a member may give what it owns to a role. Membership without inheritance: it adds no right to the owner. */
async function letOwnerHandOver(db: Db): Promise<void> {
  try {
    const may = await sql<{ may: boolean }>`
      select pg_has_role(current_user, ${recorderRole}, 'SET') as may`.execute(db);
    if (may.rows[0]?.may === true) return;
    await sql.raw(`grant ${recorderRole} to current_user with inherit false, set true`).execute(db);
  } catch (error) {
    const code = codeOf(error);
    if (code === notAllowed) throw new StartError(tellOperator, { cause: error });
    if (!madeMeanwhile.has(code ?? "")) throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}

const tellOperator =
  "The owner of the database may not create roles. Run as a superuser, with the owner's name for <owner>: " +
  `${Object.values(statements).join("; ")}; grant ${recorderRole} to <owner> with inherit false, set true;`;
