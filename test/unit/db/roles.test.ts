import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Db, openDb, openPool } from "../../../src/db/connect.ts";
import { type EmbeddedPostgres, startEmbedded } from "../../../src/db/embedded.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { guardRole, ensureRoles } from "../../../src/db/roles.ts";
import { serviceScope, withPlatform, withTenant } from "../../../src/db/tenant.ts";
import { makeState } from "../../../testkit/state.ts";

// Roles belong to the whole server, so these tests have one of their own.
const state = await makeState();
let server: EmbeddedPostgres;
const password = "of-a-role-of-a-test";
const letIn = `alter role keyhold_app password '${password}'`;
/** Owners of a database that has their name. */
const owners: string[] = [];

beforeAll(async () => {
  server = await startEmbedded({ folder: state.folder, durable: false });
  // The server's own set-up has made them; these tests are about other servers.
  await dropRoles();
});
afterEach(async () => {
  for (const owner of owners) await run([`drop database ${owner}`]);
  await dropRoles();
  for (const owner of owners.splice(0)) await run([`drop role ${owner}`]);
});
afterAll(async () => {
  await server.stop();
  await state[Symbol.asyncDispose]();
});

test("An owner who may not create roles is told what to have run, and with that everything works", async () => {
  await createOwner("plain", "");
  await using plain = open("plain", "plain");
  const refusal: unknown = await ensureRoles(plain.db).catch((error: unknown) => error);
  const advice = refusal instanceof Error ? refusal.message : "";
  expect(advice).toContain("The owner of the database may not create roles.");
  const [, statements = ""] = advice.split("<owner>: ");
  await run(statements.replace("<owner>", "plain").split("; "));

  await ensureRoles(plain.db);
  await migrate(plain.db);
  await run([letIn]);
  await using app = open("keyhold_app", "plain");
  await expect(guardRole(app.db)).resolves.toBeUndefined();
});

test("An owner who may create roles, and no more, can set up a database", async () => {
  await createOwner("modest", "createrole");
  await using modest = open("modest", "modest");
  await ensureRoles(modest.db);
  await migrate(modest.db);
  await ensureRoles(modest.db);
  await run([letIn]);
  await using app = open("keyhold_app", "modest");
  await expect(guardRole(app.db)).resolves.toBeUndefined();
  await addAccount(app.db);
});

test("Owners of several databases may make the roles at once", async () => {
  const names = ["one", "two", "three", "four"];
  for (const name of names) await createOwner(name, "superuser");
  await using stack = new AsyncDisposableStack();
  const dbs = names.map((name) => stack.use(open(name, name)).db);
  await Promise.all(dbs.map((db) => ensureRoles(db)));
  const roles = await run([
    `select rolname, rolcanlogin, rolsuper, rolbypassrls from pg_roles where rolname ~ '^keyhold_[ar]' order by 1`,
  ]);
  expect(roles).toEqual([
    { rolname: "keyhold_app", rolcanlogin: true, rolsuper: false, rolbypassrls: false },
    { rolname: "keyhold_recorder", rolcanlogin: false, rolsuper: false, rolbypassrls: false },
  ]);
});

test.each([
  [
    "keyhold_recorder may log in",
    "alter role keyhold_recorder login",
    "role keyhold_recorder has more rights",
  ],
  ["keyhold_app has BYPASSRLS", "alter role keyhold_app bypassrls", "role keyhold_app has more rights"],
])("A server where %s is refused, and what it advises helps", async (_, statement, objection) => {
  await using owner = open("keyhold_superuser", "keyhold");
  await ensureRoles(owner.db);
  await run([statement]);
  const refusal: unknown = await ensureRoles(owner.db).catch((error: unknown) => error);
  const advice = refusal instanceof Error ? refusal.message : "";
  expect(advice).toContain(objection);
  await run([advice.split("superuser: ")[1] ?? ""]);
  await expect(ensureRoles(owner.db)).resolves.toBeUndefined();
});

async function dropRoles(): Promise<void> {
  await run(["drop role if exists keyhold_app", "drop role if exists keyhold_recorder"]);
}

/** Passes policies, a trigger of the recorder's and foreign keys, none of which a superuser helps here. */
async function addAccount(db: Db): Promise<void> {
  const [tenant, member, account] = [randomUUID(), randomUUID(), randomUUID()];
  await withPlatform(db, (tx) => sql`insert into tenants (id, name) values (${tenant}, 'one')`.execute(tx));
  await withTenant(db, serviceScope(tenant), async (tx) => {
    await sql`insert into members (tenant_id, id, issuer, subject, role)
      values (${tenant}, ${member}, 'issuer', 'subject', 'owner')`.execute(tx);
    await sql`insert into accounts (tenant_id, id, owner_id, name)
      values (${tenant}, ${account}, ${member}, 'main')`.execute(tx);
  });
}

async function createOwner(name: string, attribute: string): Promise<void> {
  owners.push(name);
  await run([
    `create role ${name} login password '${password}' ${attribute}`,
    `create database ${name} owner ${name}`,
  ]);
}

function open(role: string, database: string): AsyncDisposable & Readonly<{ db: Db }> {
  // keyhold_app is made by what is tested here, and does not have the password of this server's set-up.
  const connection = {
    ...server.connection(role, database),
    ...(role === "keyhold_superuser" ? {} : { password }),
  };
  const db = openDb(openPool(connection, { applicationName: "test" }));
  return { db, [Symbol.asyncDispose]: () => db.destroy() };
}

async function run(statements: readonly string[]): Promise<unknown[]> {
  const pool = openPool(server.connection("keyhold_superuser", "postgres"), { applicationName: "test" });
  try {
    let rows: unknown[] = [];
    for (const statement of statements) ({ rows } = await pool.query(statement));
    return rows;
  } finally {
    await pool.end();
  }
}
