import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withPlatform, withTenant } from "../../src/db/tenant.ts";
import { createWorld, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let documented: readonly string[];

beforeAll(async () => {
  world = await createWorld();
  tenant = await world.createTenant();
  const text = await readFile(join(import.meta.dirname, "../../SECURITY.md"), "utf8");
  const [, table = ""] = text.split("## What the service's role can do across tenants");
  documented = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, names = ""]) =>
    [...names.matchAll(/`([a-z_.]+)`/g)].map(([, name = ""]) => name),
  );
});
afterAll(() => world.close());

async function powers(client: Pick<PoolClient, "query">): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select distinct n.nspname || '.' || p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and has_function_privilege('keyhold_app', p.oid, 'execute') order by 1`);
  return rows.map(({ name }) => name);
}

describe("what the service's role can do with the rights of another", () => {
  test("is documented, function by function, with a reason", async () => {
    expect(await powers(world.database.ownerPool)).toEqual(documented.toSorted());
  });

  test("is found when it grows", async () => {
    const client = await world.database.ownerPool.connect();
    await client.query("begin");
    await client.query(`create function clock.everything() returns bigint language sql security definer
      begin atomic select count(*) from credentials; end`);
    await client.query("grant execute on function clock.everything() to keyhold_app");
    expect(await powers(client)).not.toEqual(documented.toSorted());
    await client.query("rollback");
    client.release();
  });

  test("is not to add an owner to a tenant that has members", async () => {
    const add = (id: string) =>
      withPlatform(world.custody.db, async (tx) => {
        await sql`insert into members (tenant_id, id, issuer, subject, role)
          values (${id}, ${randomUUID()}, 'test', 'intruder', 'owner')`.execute(tx);
      });
    await expect(add(tenant.id)).rejects.toThrow("row-level security");
    const empty = randomUUID();
    await withPlatform(world.custody.db, async (tx) => {
      await sql`insert into tenants (id, name) values (${empty}, 'new')`.execute(tx);
    });
    await expect(add(empty)).resolves.toBeUndefined();
  });

  test("is not to see or to write what is to be signed", async () => {
    const { app } = world.database;
    await expect(sql`select from grants.unsigned`.execute(app)).rejects.toThrow("permission denied");
    await expect(sql`delete from grants.unsigned`.execute(app)).rejects.toThrow("permission denied");
    await expect(sql`select grants.sign(${tenant.id}, '{}', '{}', '{}')`.execute(app)).rejects.toThrow(
      "permission denied",
    );
  });

  test("is not to write which key-encryption key the database belongs to", async () => {
    const { app } = world.database;
    await expect(sql`update installation set kek_id = 'mine'`.execute(app)).rejects.toThrow(
      "permission denied",
    );
    await expect(sql`select clock.remember_kek('mine')`.execute(app)).rejects.toThrow(
      "wrapped by another key",
    );
    const { rows } = await sql<{ kek_id: string }>`select distinct kek_id from data_keys`.execute(
      world.database.owner,
    );
    await expect(sql`select clock.remember_kek(${rows[0]?.kek_id})`.execute(app)).resolves.toBeDefined();
  });
});

/** What would leave a record that cannot be read again: name, outcome, detail. */
const unreadable: readonly (readonly [string, string, string, string])[] = [
  ["a name with a line feed", "a.b\nc", "ok", "{}"],
  ["a name with a quote", 'a.b","x":"', "ok", "{}"],
  ["a name without a dot", "revealed", "ok", "{}"],
  ["a name of no letters", "", "ok", "{}"],
  ["an outcome with a quote", "a.b", 'ok","seq":"', "{}"],
  ["an outcome in capitals", "a.b", "OK", "{}"],
  ["a detail that is a list", "a.b", "ok", "[]"],
  ["a detail that is text", "a.b", "ok", '"{}"'],
  ["a detail that is not JSON", "a.b", "ok", "{x}"],
  ["a detail over two lines", "a.b", "ok", '{"a":\n1}'],
  ["a detail with a carriage return", "a.b", "ok", '{"a":\r1}'],
  ["a detail that closes itself", "a.b", "ok", '{},"event":"credential.revealed","detail":{}'],
];

describe("an event that could not be read again", () => {
  const write = (event: string, outcome: string, detail: string) =>
    withTenant(
      world.custody.db,
      { tenantId: tenant.id, memberId: null, reach: "tenant-write" },
      async (tx) => {
        await sql`select audit.record(${tenant.id}, ${[event]}::text[], ${[outcome]}::text[], ${[detail]}::text[], '{null}')`.execute(
          tx,
        );
      },
    );

  test.each(unreadable)("is not recorded: %s", async (_, event, outcome, detail) => {
    await expect(write(event, outcome, detail)).rejects.toThrow();
  });

  const details = unreadable.filter(([, event, outcome]) => event === "a.b" && outcome === "ok");
  test.each(details)("is not recorded beside a disclosure: %s", async (_, event, _outcome, detail) => {
    const append = (open: string) =>
      sql`select * from audit.append(${[tenant.id]}::uuid[], '{null}', '{null}', '{false}', '{null}', ${[randomUUID()]}::uuid[],
        '{null}', '{null}', '{use}', ${[event]}::text[], ${[open]}::text[])`.execute(world.custody.db);
    await expect(append(detail.slice(0, -1))).rejects.toThrow();
    await expect(append('{"a":1')).resolves.toBeDefined();
  });

  test("is the exception: one that can be read is recorded", async () => {
    await expect(write("a.b", "ok", '{"a":{"b":["}","\\n"]}}')).resolves.toBeUndefined();
  });
});
