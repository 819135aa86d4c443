import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { type CredentialFilter, list } from "../../src/credentials/list.ts";
import { type Db, openDb, openPool } from "../../src/db/connect.ts";
import { listAccounts } from "../../src/tenants/account.ts";
import { listApiKeys } from "../../src/tenants/api-key.ts";
import { explainEverything, faultsOf, type Ran, watchPlans } from "../../testkit/plans.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let withoutAnything: Member;
let narrowed: Member;
let db: Db;
let custody: Custody;
let ran: Ran[];

const rare = { id: randomUUID(), accountId: randomUUID() };

beforeAll(async () => {
  world = await createWorld();
  const tenant = await world.createTenant();
  owner = tenant.owner;
  withoutAnything = await tenant.addMember("trader");
  narrowed = {
    ...owner,
    narrowing: { credentials: [rare.id], accounts: [randomUUID()], networks: null },
  };
  await fill(tenant.id);
  for (const [setting, value] of Object.entries(explainEverything)) {
    const statement = `alter role keyhold_app in database ${world.database.name} set ${setting} = '${value}'`;
    await sql.raw(statement).execute(world.database.owner);
  }
  const pool = openPool(world.database.connection("keyhold_app"), { applicationName: "explained", max: 2 });
  ran = watchPlans(pool);
  db = openDb(pool);
  custody = new ScriptedVenue({ id: "absent" }).in({ ...world.custody, db });
}, 120_000);
afterAll(async () => {
  await db.destroy();
  await world.close();
});
beforeEach(() => {
  ran.length = 0;
});

/** 100,000 credentials, half of them in one tenant, which has a single one that is unlike the others: its oldest. */
async function fill(tenantId: string): Promise<void> {
  await sql
    .raw(`
    set session_replication_role = replica;
    create temporary table t as select gen_random_uuid() as id from generate_series(1, 100);
    insert into tenants (id, name) select id, 'other' from t;
    insert into members (tenant_id, id, issuer, subject, role) select id, id, 'issuer', id::text, 'trader' from t;
    insert into accounts (tenant_id, id, owner_id, name) select id, id, id, 'account' from t;
    insert into accounts (tenant_id, id, owner_id, name, created_at)
      select '${tenantId}', gen_random_uuid(), '${owner.memberId}', 'account', now() - n * interval '1 second'
      from generate_series(1, 50000) n;
    insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes)
      select '${tenantId}', gen_random_uuid(), '${owner.memberId}', 'key', 'kh_', sha256(n::text::bytea), '{credentials:use}'
      from generate_series(1, 20000) n;
    insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes)
      select id, gen_random_uuid(), id, 'key', 'kh_', sha256(id::text::bytea), '{credentials:use}' from t;
    insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store, created_at)
      select id, gen_random_uuid(), id, id, 'absent', 'paper', n::text, 'invalid', 'postgres', now() - n * interval '1 second'
      from t, generate_series(1, 500) n;
    insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store, created_at)
      select tenant_id, gen_random_uuid(), id, owner_id, 'scripted', 'live', 'default', 'active', 'postgres', created_at
      from accounts where tenant_id = '${tenantId}';
    insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store, created_at)
      select '${tenantId}', '${rare.id}', a.id, a.owner_id, 'rare', 'testnet', 'rare', 'expired', 'postgres', '2020-01-01'
      from (select id, owner_id from accounts where tenant_id = '${tenantId}' limit 1) a;
    insert into freezes (tenant_id, credential_id, rank)
      select tenant_id, id, 'trader' from credentials where venue = 'absent' limit 20000;
    insert into freezes (tenant_id, account_id, rank) select tenant_id, id, 'trader' from accounts limit 20000;
    set session_replication_role = origin;
    analyze;
    drop table t`)
    .execute(world.database.owner);
}

const page = { limit: 50, after: null };

/** What the single one is found by, and what other tenants alone have. */
const filters: readonly (readonly [CredentialFilter, CredentialFilter])[] = [
  [{ environment: "testnet" }, { environment: "paper" }],
  [{ status: "expired" }, { status: "invalid" }],
  [{ label: "rare" }, { label: "7" }],
  [{ venue: "rare" }, { venue: "absent" }],
];

describe("in a tenant with 50,000 of 100,000 credentials", () => {
  test.each(filters)("%o is found by index, and so is that there is nothing for %o", async (some, none) => {
    for (const [filter, count] of [
      [some, 1],
      [none, 0],
    ] as const) {
      const venues = new ScriptedVenue({ id: filter.venue ?? "absent" }).in(custody);
      expect((await list(venues, owner, filter, page)).items).toHaveLength(count);
    }
    expect(ran.length).toBeGreaterThan(0);
    expect(faultsOf(ran)).toEqual([]);
  });

  test.each([...filters.map(([some]) => some), {}])(
    "a member with nothing is told so by index, whatever it asks for: %o",
    async (filter) => {
      const venues = new ScriptedVenue({ id: filter.venue ?? "absent" }).in(custody);
      expect((await list(venues, withoutAnything, filter, page)).items).toEqual([]);
      expect(faultsOf(ran)).toEqual([]);
    },
  );

  test("a member with nothing lists accounts and API keys by index", async () => {
    expect((await listAccounts(db, withoutAnything, page)).items).toEqual([]);
    expect((await listApiKeys(db, withoutAnything, page)).items).toEqual([]);
    expect(faultsOf(ran)).toEqual([]);
  });

  test("a narrowed caller finds what it reaches by index", async () => {
    expect((await list(custody, narrowed, {}, page)).items.map(({ id }) => id)).toEqual([rare.id]);
    expect(faultsOf(ran)).toEqual([]);
  });

  test("pages go on by index, however deep", async () => {
    const after = { createdAt: new Date(Date.now() - 45_000_000), id: randomUUID() };
    await list(custody, owner, { status: "active" }, { limit: 50, after });
    expect(faultsOf(ran)).toEqual([]);
  });
});

// Last: each index that is gone stays gone.
describe("the same check finds the missing", () => {
  test.each([
    ["credentials_by_owner", () => list(custody, withoutAnything, {}, page)],
    ["credentials_listed_by_label", () => list(custody, owner, { label: "rare" }, page)],
    ["credentials_listed_by_status", () => list(custody, owner, { status: "expired" }, page)],
    ["credentials_listed_by_environment", () => list(custody, owner, { environment: "testnet" }, page)],
    ["credentials_listed_by_venue", () => list(custody, owner, { venue: "absent" }, page)],
    ["accounts_by_owner", () => listAccounts(db, withoutAnything, page)],
    ["api_keys_by_member", () => listApiKeys(db, withoutAnything, page)],
  ] as const)("%s", async (index, ask) => {
    await sql.raw(`drop index ${index}`).execute(world.database.owner);
    await ask();
    expect(faultsOf(ran)).not.toEqual([]);
  });
});
