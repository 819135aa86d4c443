import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDb, openPool } from "../../../src/db/connect.ts";
import { guardRole, judgeRole } from "../../../src/db/roles.ts";
import { createDatabase, type TestDatabase, testRolePassword } from "../../../testkit/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

test("keyhold_app may serve", async () => {
  await expect(guardRole(database.app)).resolves.toBeUndefined();
});

test("The owner of the tables may not, nor may a superuser", async () => {
  const owner = openDb(openPool(database.connection("keyhold_owner"), { applicationName: "test" }));
  await expect(guardRole(owner)).rejects.toThrow("may become keyhold_recorder");
  await owner.destroy();
  await expect(guardRole(database.owner)).rejects.toThrow("keyhold_superuser can bypass row-level security");
});

test.each([
  ["is a superuser", "superuser", [], "can bypass row-level security"],
  ["has BYPASSRLS", "bypassrls", [], "can bypass row-level security"],
  ["owns a table of tenants", "", ["alter table accounts owner to $role"], "owns accounts"],
  ["is a member of the owner", "", ["grant keyhold_owner to $role"], "may become keyhold_recorder"],
  [
    "may become the owner, though it inherits nothing",
    "",
    ["grant keyhold_owner to $role with inherit false, set true"],
    "may become keyhold_recorder",
  ],
  [
    "may make itself a member of the owner",
    "",
    ["grant keyhold_owner to $role with admin true, inherit false, set false"],
    "may become keyhold_recorder",
  ],
  ["may become the recorder", "", ["grant keyhold_recorder to $role"], "may become keyhold_recorder"],
  [
    "reads the server's files",
    "",
    ["grant pg_read_server_files to $role"],
    "may become pg_read_server_files",
  ],
  ["may truncate", "", ["grant truncate on accounts to $role"], "may truncate accounts"],
])("A role that %s is refused", async (_, attribute, statements, objection) => {
  const role = await createRole(attribute, statements);
  const db = openDb(openPool(database.connection(role), { applicationName: "test" }));
  await expect(guardRole(db)).rejects.toThrow(objection);
  await db.destroy();
  await dropRole(role);
});

test("A superuser who has taken on keyhold_app is refused, for it can go back", async () => {
  const config = { ...database.connection("keyhold_superuser"), options: "-c role=keyhold_app" };
  const db = openDb(openPool(config, { applicationName: "test" }));
  await expect(guardRole(db)).rejects.toThrow("keyhold_superuser can bypass row-level security");
  await db.destroy();
});

test("A server older than version 16 is refused, and 16 is not", () => {
  const facts = { role: "keyhold_app", bypassing: [], owned: [], truncatable: [] };
  expect(judgeRole({ ...facts, version: 150_013 })).toBe(
    "The PostgreSQL server is of version 15; Keyhold needs 16 or newer.",
  );
  expect(judgeRole({ ...facts, version: 160_000 })).toBeNull();
});

async function createRole(attribute: string, statements: readonly string[]): Promise<string> {
  const role = `test_${randomBytes(6).toString("hex")}`;
  await database.ownerPool.query(`create role ${role} login password '${testRolePassword}' ${attribute}`);
  for (const statement of statements) await database.ownerPool.query(statement.replace("$role", role));
  return role;
}

async function dropRole(role: string): Promise<void> {
  await database.ownerPool.query(`reassign owned by ${role} to keyhold_owner`);
  await database.ownerPool.query(`drop owned by ${role}`);
  await database.ownerPool.query(`drop role ${role}`);
}
