import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Db, openDb, openPool } from "../../../src/db/connect.ts";
import { type Reach, type TenantScope, withPlatform, withTenant } from "../../../src/db/tenant.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

type Tenant = Readonly<{ id: string; members: readonly string[] }>;

let database: TestDatabase;
/** One connection, so that every query finds what the one before it left. */
let single: Db;
const tenants: Tenant[] = [];
const accountsEach = 3;

beforeAll(async () => {
  database = await createDatabase();
  single = openDb(openPool(database.connection("keyhold_app"), { applicationName: "test", max: 1 }));
  for (let n = 0; n < 8; n += 1) tenants.push(await addTenant());
});
afterAll(async () => {
  await single.destroy();
  await database.drop();
});

test("A connection that never had a scope sees no row, and may write none", async () => {
  expect(await countRows(single)).toBe(0);
  await expect(addAccount(single, tenantAt(0), randomUUID())).rejects.toThrow("row-level security");
  expect(await countRows(database.owner), "the control: there are rows").toBeGreaterThan(0);
});

test.each([
  ["committed", false],
  ["rolled back", true],
])("A connection whose scope was %s sees no row afterwards, and may write none", async (_, fails) => {
  const seen = withTenant(single, everything(tenantAt(0)), async (tx) => {
    expect(await countRows(tx), "the control: the scope sees its rows").toBeGreaterThan(0);
    if (fails) throw new Error("changed its mind");
  });
  await (fails ? expect(seen).rejects.toThrow("changed its mind") : seen);
  expect(await countRows(single)).toBe(0);
  await expect(addAccount(single, tenantAt(0), randomUUID())).rejects.toThrow("row-level security");
  expect((await settings(single)).rows).toEqual([{ tenant: "", member: "", reach: "" }]);
});

test("A transaction sees its own tenant's rows and nobody else's", async () => {
  const ids = await withTenant(single, everything(tenantAt(1)), tenantIds);
  expect(ids).toEqual(Array.from({ length: 2 * accountsEach }, () => tenantAt(1).id));
});

test("A member who reaches what is its own sees the accounts it owns alone", async () => {
  const tenant = tenantAt(2);
  const [memberId = ""] = tenant.members;
  const own: TenantScope = { tenantId: tenant.id, memberId, reach: "own" };
  const owners = await withTenant(single, own, async (tx) =>
    (await tx.selectFrom("accounts").select("owner_id").execute()).map(({ owner_id }) => owner_id),
  );
  expect(owners).toEqual(Array.from({ length: accountsEach }, () => memberId));
});

test.each<[Reach, boolean]>([
  ["tenant-read", false],
  ["tenant-write", true],
])("A reach of %s writes to its tenant: %s", async (reach, may) => {
  const tenant = tenantAt(3);
  const adding = withTenant(single, { tenantId: tenant.id, memberId: null, reach }, async (tx) => {
    await addAccount(tx, tenant, randomUUID());
    throw new Error("rolled back");
  });
  await expect(adding).rejects.toThrow(may ? "rolled back" : "row-level security");
});

test("Nobody writes a row of another tenant, whatever the reach", async () => {
  const adding = withTenant(single, everything(tenantAt(4)), (tx) =>
    addAccount(tx, tenantAt(5), randomUUID()),
  );
  await expect(adding).rejects.toThrow("row-level security");
});

test("The operator's transaction sees the table of tenants and no row below it", async () => {
  await withPlatform(single, async (tx) => {
    expect(await tx.selectFrom("tenants").select("id").execute()).toHaveLength(tenants.length);
    expect(await countRows(tx)).toBe(0);
  });
});

test("A handle that outlives its transaction reaches nothing", async () => {
  const kept = await withTenant(single, everything(tenantAt(6)), (tx) => Promise.resolve({ tx }));
  await expect(countRows(kept.tx)).rejects.toThrow("committed");
});

test("2,000 transactions of 8 tenants over 4 connections, a third of them broken off, see no foreign row", async () => {
  const db = openDb(
    openPool(database.connection("keyhold_app"), { applicationName: "test", max: 4, patience: 0 }),
  );
  const run = await interleave(db, 2_000, withTenant);
  await db.destroy();
  expect(run.foreign).toBe(0);
  expect(run.completed + run.broken).toBe(2_000);
  expect(run.broken).toBeGreaterThan(500);
  expect(run.own).toBe(run.reads * 2 * accountsEach);
});

test("The same check finds foreign rows where the scope is set for the session (control)", async () => {
  const db = openDb(
    openPool(database.connection("keyhold_app"), { applicationName: "test", max: 4, patience: 0 }),
  );
  const run = await interleave(db, 400, leaky);
  await db.destroy();
  expect(run.foreign).toBeGreaterThan(0);
});

type Within = (db: Db, scope: TenantScope, work: (tx: Db) => Promise<void>) => Promise<void>;

/** What withTenant must never be: the scope stays on the connection for whoever comes next. */
const leaky: Within = async (db, scope, work) => {
  await sql`select set_config('keyhold.tenant_id', ${scope.tenantId}, false),
    set_config('keyhold.reach', ${scope.reach}, false)`.execute(db);
  await db.transaction().execute(work);
};

/** Runs `count` transactions at once, some broken off by their caller, by an error of SQL or by a time-out. */
async function interleave(db: Db, count: number, within: Within) {
  const run = { foreign: 0, own: 0, reads: 0, completed: 0, broken: 0 };
  const one = async (n: number): Promise<void> => {
    const tenant = tenantAt(n % tenants.length);
    try {
      await within(db, everything(tenant), async (tx) => {
        await breakOff[n % 9]?.(tx);
        const seen = await tenantIds(tx);
        run.reads += 1;
        run.own += seen.filter((id) => id === tenant.id).length;
        run.foreign += seen.filter((id) => id !== tenant.id).length;
        if (n % 9 === 2) throw new Error("broken off by its caller");
      });
      run.completed += 1;
    } catch {
      run.broken += 1;
    }
    if (n % 5 === 0) run.foreign += await countRows(db);
  };
  await Promise.all(Array.from({ length: count }, (_, n) => one(n)));
  return run;
}

/** What happens in some transactions before they read. */
const breakOff: Readonly<Record<number, (tx: Db) => Promise<unknown>>> = {
  0: (tx) => sql`select 1/0`.execute(tx),
  1: async (tx) => {
    await sql`set local statement_timeout = 1`.execute(tx);
    await sql`select pg_sleep(1)`.execute(tx);
  },
};

function everything(tenant: Tenant): TenantScope {
  return { tenantId: tenant.id, memberId: null, reach: "tenant-write" };
}

function tenantAt(n: number): Tenant {
  const tenant = tenants[n];
  if (tenant === undefined) throw new RangeError("there are fewer tenants");
  return tenant;
}

async function tenantIds(db: Db): Promise<string[]> {
  return (await db.selectFrom("accounts").select("tenant_id").execute()).map(({ tenant_id }) => tenant_id);
}

async function countRows(db: Db): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select (select count(*) from accounts) + (select count(*) from members) as n`.execute(db);
  return rows[0]?.n ?? 0;
}

function settings(db: Db) {
  return sql`select current_setting('keyhold.tenant_id', true) as tenant,
    current_setting('keyhold.member_id', true) as member, current_setting('keyhold.reach', true) as reach`.execute(
    db,
  );
}

async function addTenant(): Promise<Tenant> {
  const tenant = { id: randomUUID(), members: [randomUUID(), randomUUID()] };
  await sql`insert into tenants (id, name) values (${tenant.id}, 'one of eight')`.execute(database.owner);
  for (const member of tenant.members) {
    await sql`insert into members (tenant_id, id, issuer, subject, role)
      values (${tenant.id}, ${member}, 'issuer', ${member}, 'trader')`.execute(database.owner);
    for (let n = 0; n < accountsEach; n += 1) await addAccount(database.owner, tenant, randomUUID(), member);
  }
  return tenant;
}

async function addAccount(db: Db, tenant: Tenant, id: string, owner = tenant.members[0]): Promise<void> {
  await sql`insert into accounts (tenant_id, id, owner_id, name)
    values (${tenant.id}, ${id}, ${owner}, ${id})`.execute(db);
}
