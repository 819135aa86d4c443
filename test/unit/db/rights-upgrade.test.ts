import { randomBytes, randomUUID } from "node:crypto";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Db, openDb, openPool } from "../../../src/db/connect.ts";
import { type EmbeddedPostgres, startEmbedded } from "../../../src/db/embedded.ts";
import { migrate, migrationFolder } from "../../../src/db/migrate.ts";
import { ensureRoles } from "../../../src/db/roles.ts";
import { serviceScope, withTenant } from "../../../src/db/tenant.ts";
import { testRolePassword } from "../../../testkit/database.ts";
import { makeState } from "../../../testkit/state.ts";

// The owner of the tables is a role that their policies hold, as in an installation on a database of its own. Roles belong to the
// whole server, so this test has one.
const state = await makeState();
const folder = await mkdtemp(join(tmpdir(), "keyhold-before-"));
const [tenant, owner, account, credential] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
const [endless, dated, far] = [randomUUID(), randomUUID(), randomUUID()];
let server: EmbeddedPostgres;
let plain: Db;
let app: Db;

beforeAll(async () => {
  server = await startEmbedded({ folder: state.folder, durable: false });
  const admin = open("keyhold_superuser", "keyhold");
  await sql.raw(`create role plain login createrole password '${testRolePassword}'`).execute(admin);
  await sql.raw("grant keyhold_recorder to plain with inherit false, set true").execute(admin);
  await sql.raw("create database plain owner plain").execute(admin);
  await admin.destroy();
  plain = open("plain", "plain");
  app = open("keyhold_app", "plain");
  await ensureRoles(plain);
  for (const name of await readdir(migrationFolder))
    if (name < "0008") await cp(join(migrationFolder, name), join(folder, name));
  await migrate(plain, { folder });
  await fill();
  await migrate(plain);
});
afterAll(async () => {
  await Promise.all([plain.destroy(), app.destroy()]);
  await server.stop();
  await state[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function open(role: string, database: string): Db {
  const connection = server.connection(role, database);
  const password = connection.password ?? testRolePassword;
  return openDb(openPool({ ...connection, password }, { applicationName: "test" }));
}

/** What a version without ranks has left: a frozen tenant, account and credential, and keys with and without an end. */
async function fill(): Promise<void> {
  await app.transaction().execute(async (tx) => {
    await sql`select set_config('keyhold.reach', 'platform', true)`.execute(tx);
    await sql`insert into tenants (id, name, frozen_at) values (${tenant}, 'one', now() - interval '3 days')`.execute(
      tx,
    );
  });
  await withTenant(app, serviceScope(tenant), async (tx) => {
    await sql`insert into members (tenant_id, id, issuer, subject, role)
      values (${tenant}, ${owner}, 'issuer', 'subject', 'owner')`.execute(tx);
    await sql`insert into accounts (tenant_id, id, owner_id, name, frozen_at, active)
      values (${tenant}, ${account}, ${owner}, 'main', now() - interval '2 days', false)`.execute(tx);
    await sql`insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, status, store, frozen_at)
      values (${tenant}, ${credential}, ${account}, ${owner}, 'binance', 'live', 'active', 'postgres', now())`.execute(
      tx,
    );
    // Ended long ago, and not asked about since.
    for (let number = 0; number < 20; number += 1)
      await sql`insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store, next_check_at)
        values (${tenant}, ${randomUUID()}, ${account}, ${owner}, 'binance', 'live', ${`ended ${number}`}, 'pending', 'postgres',
          now() - interval '90 days')`.execute(tx);
    await sql`update credentials set status = 'invalid' where status = 'pending'`.execute(tx);
    for (const [id, days] of [
      [endless, null],
      [dated, 30],
      [far, 5000],
    ] as const) {
      await sql`insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes, expires_at)
        values (${tenant}, ${id}, ${owner}, 'key', 'kh_x', ${randomBytes(32)}, '{credentials:read}',
          now() + ${days}::integer * interval '1 day')`.execute(tx);
    }
  });
}

/** As a member of this tenant sees it. */
async function seen<T>(statement: ReturnType<typeof sql<T>>): Promise<readonly T[]> {
  return withTenant(app, serviceScope(tenant), async (tx) => (await statement.execute(tx)).rows);
}

test("What was frozen before stays frozen, with the rank of an owner", async () => {
  const found = await seen<{ rank: string; actor: null; same: boolean }>(sql`
    select f.rank, f.actor, f.frozen_at = coalesce(c.frozen_at, a.frozen_at, t.frozen_at) as same
    from freezes f join tenants t on t.id = f.tenant_id
    left join accounts a on a.id = f.account_id left join credentials c on c.id = f.credential_id`);

  expect(found).toEqual(Array.from({ length: 3 }, () => ({ rank: "owner", actor: null, same: true })));
});

test("A key without an end works on, says so, and ends a year later; one with an end keeps it, up to a year", async () => {
  const keys = await seen<{ id: string; made_without_end: boolean; days: number }>(sql`
    select id, made_without_end, round(extract(epoch from expires_at - now()) / 86400)::integer as days from api_keys`);

  expect(keys).toHaveLength(3);
  expect(keys).toEqual(
    expect.arrayContaining([
      { id: endless, made_without_end: true, days: 366 },
      { id: dated, made_without_end: false, days: 30 },
      { id: far, made_without_end: false, days: 366 },
    ]),
  );
});

test("What was invalid before is asked about within a day, and not all at once", async () => {
  const [found] = await seen<{ soon: number; later: number; all: number }>(sql`
    select count(*) filter (where next_check_at < now() + interval '12 hours')::integer as soon,
      count(*) filter (where next_check_at > now() + interval '1 hour')::integer as later,
      count(*) filter (where next_check_at between now() - interval '1 hour' and now() + interval '1 day')::integer as all
    from credentials where status = 'invalid'`);

  expect(found?.all).toBe(20);
  expect(found?.soon).toBeLessThan(20);
  expect(found?.later).toBeGreaterThan(0);
});

test("A version without ranks may run beside: its freeze stands with the rank of an owner, and it lifts none", async () => {
  const freezesOf = (): Promise<readonly { rank: string }[]> =>
    seen<{ rank: string }>(sql`select rank from freezes where credential_id = ${credential} order by rank`);
  await seen(sql`delete from freezes where credential_id = ${credential}`);
  await seen(sql`update credentials set frozen_at = null where id = ${credential}`);
  expect(await seen(sql`select frozen_at from credentials where id = ${credential}`)).toEqual([
    { frozen_at: null },
  ]);

  await seen(sql`update credentials set frozen_at = now() where id = ${credential}`);
  expect(await freezesOf()).toEqual([{ rank: "owner" }]);
  await seen(sql`update credentials set frozen_at = null where id = ${credential}`);
  expect(await freezesOf()).toEqual([{ rank: "owner" }]);
  const [row] = await seen<{ frozen_at: Date | null }>(
    sql`select frozen_at from credentials where id = ${credential}`,
  );
  expect(row?.frozen_at).not.toBeNull();
});

test("A key that such a version makes without an end lives 90 days", async () => {
  const [made] = await seen<{ days: number }>(sql`
    insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes, expires_at)
    values (${tenant}, ${randomUUID()}, ${owner}, 'key', 'kh_x', ${randomBytes(32)}, '{credentials:read}', null)
    returning round(extract(epoch from expires_at - now()) / 86400)::integer as days`);

  expect(made).toEqual({ days: 90 });
});
