import { sql } from "kysely";
import { DatabaseError } from "pg";
import { StartError } from "../errors.ts";
import type { Db } from "./connect.ts";

/** The role of the service. It cannot bypass row-level security. */
export const appRole = "keyhold_app";
/** Owns the functions that write the record. It cannot log in. */
const recorderRole = "keyhold_recorder";

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

/** The oldest server that the migrations and the policies are tested with, as `server_version_num` counts. */
const oldestVersion = 160_000;

/** The facts that decide whether row-level security binds a connection. */
type RoleFacts = Readonly<{
  role: string;
  version: number;
  /** Roles that the connection is or may become and that bypass policies or can switch them off. */
  bypassing: readonly string[];
  /** Tables with policies that the connection owns, directly or through a role. */
  owned: readonly string[];
  /** Tables with policies that it may TRUNCATE, which no policy prevents. */
  truncatable: readonly string[];
}>;

/**
 * Refuses a connection that row-level security does not bind. Throws StartError with a sentence that names
 * the right that is too much.
 */
export async function guardRole(db: Db): Promise<void> {
  const objection = judgeRole(await readRoleFacts(db));
  if (objection !== null) throw new StartError(objection);
}

/** Why the service may not use such a connection; null when it may. */
export function judgeRole(facts: RoleFacts): string | null {
  const { role, version, bypassing, owned, truncatable } = facts;
  const advice = "Connect as keyhold_app, or as a role with no more rights.";
  const tooOld = judgeVersion(version);
  if (tooOld !== null) return tooOld;
  if (bypassing.length > 0) {
    return `The database role ${role} can bypass row-level security, for it is or may become ${bypassing.join(", ")}. ${advice}`;
  }
  if (owned.length > 0) {
    return `The database role ${role} can switch row-level security off, for it owns ${owned.join(", ")}. ${advice}`;
  }
  if (truncatable.length > 0) {
    return `The database role ${role} may truncate ${truncatable.join(", ")}, which row-level security does not cover. ${advice}`;
  }
  return null;
}

/** Why Keyhold does not run on a server of this version (a `server_version_num`); `null` when it does. */
export function judgeVersion(version: number): string | null {
  if (version >= oldestVersion) return null;
  return `The PostgreSQL server is of version ${Math.floor(version / 10_000)}; Keyhold needs 16 or newer.`;
}

async function readRoleFacts(db: Db): Promise<RoleFacts> {
  const { rows } = await query.execute(db);
  const [facts] = rows;
  if (facts === undefined)
    throw new StartError("The database did not return the role that Keyhold connects as.");
  return facts;
}

/**
 * Membership counts, direct or indirect, inherited or not, because SET ROLE is enough. The role of the
 * session counts beside the current one, because RESET ROLE returns to it. Some predefined roles reach files
 * or the shell of the server.
 */
const query = sql<RoleFacts>`
  with member_of as (
    select r.oid, r.rolname, r.rolsuper or r.rolbypassrls or r.rolname in (
      ${recorderRole}, 'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files') as bypasses
    from pg_roles r
    where pg_has_role(session_user, r.oid, 'MEMBER') or pg_has_role(current_user, r.oid, 'MEMBER')
  ), guarded as (
    select c.oid, c.oid::regclass::text as name, c.relowner
    from pg_class c
    where c.relrowsecurity and c.relkind in ('r', 'p')
  )
  select
    session_user::text as role,
    current_setting('server_version_num')::integer as version,
    array(select rolname::text from member_of where bypasses order by 1) as bypassing,
    array(select g.name from guarded g join member_of m on m.oid = g.relowner order by 1) as owned,
    array(select g.name from guarded g where has_table_privilege(g.oid, 'TRUNCATE') order by 1) as truncatable`;
