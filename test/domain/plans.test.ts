import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Memberships } from "../../src/access/membership.ts";
import { type Member, scopeOf, system } from "../../src/access/principal.ts";
import { Disclosures } from "../../src/audit/disclosures.ts";
import { exportChain } from "../../src/audit/export.ts";
import { readEvents } from "../../src/audit/search.ts";
import { checkDue, dueChecks, forgetHistory } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { eraseAccounts, eraseTenants } from "../../src/credentials/erase.ts";
import { expireDue, warnExpiring } from "../../src/credentials/expiry.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { list, listVersions, show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { remove } from "../../src/credentials/revoke.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { schedule, showSchedule } from "../../src/credentials/rotation-at-venue/schedule.ts";
import { beginDue, stepDue } from "../../src/credentials/rotation-at-venue/step.ts";
import { finishDueRotations } from "../../src/credentials/rotation.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { validate } from "../../src/credentials/validate.ts";
import { type Db, openDb, openPool } from "../../src/db/connect.ts";
import { withTenant } from "../../src/db/tenant.ts";
import { IdempotencyKeys } from "../../src/http/idempotency.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { listAccounts } from "../../src/tenants/account.ts";
import { listMembers } from "../../src/tenants/member.ts";
import { explainEverything, faultsOf, type Ran, watchPlans } from "../../testkit/plans.ts";
import { signed } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let trader: Member;
let accountId: string;
let id: string;
let pool: Pool;
let db: Db;
let custody: Custody;
let ran: Ran[];

beforeAll(async () => {
  world = await createWorld();
  tenant = await world.createTenant();
  owner = tenant.owner;
  trader = await tenant.addMember("trader");
  accountId = await world.createAccount(owner);
  id = await registered(new ScriptedVenue().in(world.custody), "default");
  await fill();
  pool = openPool(world.database.connection("keyhold_app"), { applicationName: "explained", max: 4 });
  ran = watchPlans(pool);
  db = openDb(pool);
  const dataKeys = new DataKeys(db, await loadKeyFile(world.keyFile));
  custody = new ScriptedVenue().in({
    ...world.custody,
    db,
    disclosures: new Disclosures(pool, signed({ db, dataKeys })),
    dataKeys,
    stores: createStores(createPostgresStore(db)),
  });
}, 120_000);
afterAll(async () => {
  await db.destroy();
  await world.close();
});
beforeEach(() => {
  ran.length = 0;
});

async function registered(custody: Custody, label: string): Promise<string> {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const policy = { allow: ["read", "trade"], reveal: true } as const;
  const input = { accountId, venue: "scripted", environment: "live", label, fields, policy } as const;
  return (await register(custody, owner, input)).id;
}

/** 500 tenants with 4 members, 20 accounts and 200 credentials each, and what these leave behind. */
async function fill(): Promise<void> {
  const { owner: admin, name } = world.database;
  await sql
    .raw(`
    set session_replication_role = replica;
    create temporary table t as select gen_random_uuid() as id, number from generate_series(1, 499) number;
    insert into t values ('${tenant.id}', 500);
    create temporary table m as select t.id as tenant_id, gen_random_uuid() as id from t, generate_series(1, 4);
    create temporary table a as
      select tenant_id, gen_random_uuid() as id, id as owner_id, number from m, generate_series(1, 5) number;
    create temporary table c as
      select tenant_id, gen_random_uuid() as id, id as account_id, owner_id, label from a, generate_series(1, 10) label;
    insert into tenants (id, name, created_at)
      select id, 'tenant', now() - number * interval '1 second' from t where number < 500;
    insert into audit.heads select id, 50, 50, sha256('') from t where number < 500;
    insert into audit.index_heads select id, 50, 50 from t where number < 500;
    insert into members (tenant_id, id, issuer, subject, role) select tenant_id, id, 'issuer', id::text, 'trader' from m;
    insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes)
      select tenant_id, gen_random_uuid(), id, 'key', 'kh_', sha256(id::text::bytea), '{credentials:use}' from m;
    insert into accounts (tenant_id, id, owner_id, name, created_at)
      select tenant_id, id, owner_id, 'account', now() - number * interval '1 second' from a;
    insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store, created_at)
      select tenant_id, id, account_id, owner_id, 'scripted', 'live', label::text, 'active', 'postgres',
        now() - label * interval '1 minute' from c;
    update credentials set next_check_at = now() + (1 + random() * 5) * interval '1 hour', last_validated_at = now(),
      unused_days = case when label < '4' then 14 end,
      estimated_expires_at = case when label > '6' then now() + (20 + random() * 60) * interval '1 day' end;
    insert into health_checks (tenant_id, id, credential_id, venue, environment, purpose, outcome, status, health, checked_at)
      select tenant_id, gen_random_uuid(), id, 'scripted', 'live', 'health', 'valid', 'active', 'healthy',
        now() - random() * interval '6 hours' from c;
    insert into credential_versions (tenant_id, credential_id, version, store, data_key_id, state)
      select tenant_id, id, 1, 'postgres', id, 'current' from c;
    insert into sealed_secrets (tenant_id, credential_id, version, sealed) select tenant_id, id, 1, '\\x00' from c;
    insert into data_keys (tenant_id, id, use, kek_id, wrapped)
      select id, gen_random_uuid(), use, 'kek', '\\x00' from t, unnest('{seal,mac}'::text[]) use where number < 500;
    insert into freezes (tenant_id, credential_id, rank) select tenant_id, id, 'trader' from c where label = 9;
    insert into rotations (tenant_id, id, credential_id, from_version, to_version, state, overlap_until, ended_at)
      select tenant_id, gen_random_uuid(), id, 1, 2, 'finished', now(), now() from c where label = 3;
    insert into rotation_schedules (tenant_id, credential_id, every_days, next_at)
      select tenant_id, id, 30, now() + (1 + random() * 29) * interval '1 day' from c where label < 6;
    insert into venue_rotations (tenant_id, id, credential_id, parent_id, stage, rotation_id, due_at)
      select tenant_id, gen_random_uuid(), id, gen_random_uuid(), 'overlap', gen_random_uuid(), now() + interval '1 hour'
      from c where label < 4;
    insert into webhook_endpoints (tenant_id, id, url)
      select t.id, gen_random_uuid(), 'https://hooks.example.com/' || hook from t, generate_series(1, 20) hook
      where t.number < 500;
    insert into invocations (tenant_id, id, credential_id, principal, key, operation, request_mac)
      select tenant_id, gen_random_uuid(), id, 'member', number::text, 'createOrder', '\\x00'
      from c, generate_series(1, 2) number where label = 1;
    insert into idempotency_keys (tenant_id, principal, route, key, request_mac)
      select tenant_id, 'member', 'route', id::text, '\\x00' from m;
    insert into intents (tenant_id, id, kind, credential_id, version, store, venue, environment)
      select tenant_id, gen_random_uuid(), 'replace', id, 2, 'postgres', 'scripted', 'live' from c where label = 2;
    insert into audit.links
      select t.id, link, link, 1, now(), sha256(''), sha256(link::text::bytea),
        '{"at":"2026-11-20T00:00:00.000000Z","detail":{},"event":"credential.used","outcome":"ok","seq":' || link || '}', '{}'
      from t, generate_series(1, 50) link where t.number < 500;
    set session_replication_role = origin;
    analyze;
    drop table t, m, a, c`)
    .execute(admin);
  for (const [setting, value] of Object.entries(explainEverything)) {
    await sql.raw(`alter role keyhold_app in database ${name} set ${setting} = '${value}'`).execute(admin);
  }
}

const firstPage = { limit: 200, after: null };
const order = (key: string) => ({
  operation: "createOrder",
  params: { symbol: "X", type: "market", side: "buy", amount: "1" },
  idempotencyKey: key,
});

/** Every question that the service asks of the database, by the verb that asks it. */
const verbs: Readonly<Record<string, () => Promise<unknown>>> = {
  "a disclosure": () => withSecret(custody, owner, { id }, () => Promise.resolve()),
  "a group of 256 disclosures of 50 tenants": async () => {
    const { rows } = await sql<{ tenant_id: string; id: string }>`
      select tenant_id, id from credentials where label = '1' order by tenant_id limit 1000`.execute(
      world.database.owner,
    );
    // What the filling wrote is not signed.
    const disclosures = new Disclosures(pool, () => Promise.resolve(true));
    await Promise.all(
      rows.slice(0, 257).map(({ tenant_id, id }) =>
        disclosures.append({
          principal: system(tenant_id, "task"),
          credentialId: id,
          need: "use",
          revision: null,
          event: "credential.used",
          detail: { purpose: "scope" },
        }),
      ),
    );
  },
  "a disclosure by purpose": () =>
    withSecret(custody, owner, { accountId, venue: "scripted", environment: "live" }, () =>
      Promise.resolve(),
    ),
  "the membership of a token": () => new Memberships(db, world.prove).member(tenant.id, "test", "nobody"),
  "the owner of an API key": () => new Memberships(db, world.prove).apiKey(new Uint8Array(32)),
  "a credential": () => show(custody, owner, id),
  "a credential of another member": () =>
    expect(show(custody, trader, id)).rejects.toMatchObject({ code: "forbidden" }),
  "a credential that there is not": () =>
    expect(show(custody, owner, randomUUID())).rejects.toMatchObject({ code: "not_found" }),
  "the newest credentials": () => list(custody, owner, {}, firstPage),
  "the credentials after a cursor": async () => {
    const { next } = await list(custody, owner, {}, { limit: 50, after: null });
    await list(custody, owner, {}, { limit: 50, after: next });
  },
  "the credentials of a member": () => list(custody, trader, {}, firstPage),
  "the credentials of an account": () => list(custody, owner, { accountId }, firstPage),
  "the credentials of a venue and status": () =>
    list(
      custody,
      owner,
      { venue: "scripted", environment: "live", status: "invalid", label: "7" },
      firstPage,
    ),
  "a registration": () => registered(custody, randomUUID()),
  "an update, a freeze and a replacement": async () => {
    const { revision } = await show(custody, owner, id);
    await update(custody, owner, id, revision, { label: randomUUID().slice(0, 8) });
    await freeze(custody, owner, id, null);
    const thawed = await unfreeze(custody, owner, id);
    await replace(custody, owner, id, thawed.revision, secretFields({ api_key: "2", api_secret: "2" }));
    await update(custody, owner, id, thawed.revision + 1, { label: "default" });
  },
  "a validation": () => validate(custody, owner, id),
  "an order and its repeat": async () => {
    await invoke(custody, owner, id, order("key"));
    await invoke(custody, owner, id, order("key"));
  },
  "a deletion": async () => remove(custody, owner, await registered(custody, "gone")),
  "the accounts": () => listAccounts(db, owner, firstPage),
  "the members": () => listMembers(db, owner, firstPage),
  "the newest events": () => readEvents(db, owner, {}, { limit: 50, beforeSeq: null }),
  "the events of a credential": () =>
    readEvents(db, owner, { credentialId: id }, { limit: 50, beforeSeq: null }),
  "an export": async () => {
    for await (const chunk of exportChain(db, owner)) expect(chunk).not.toBe("");
  },
  "an Idempotency-Key": async () => {
    const keys = new IdempotencyKeys(db, () => Promise.resolve(new Uint8Array(32)));
    const request = { tenantId: tenant.id, principal: "member", route: "r", path: "/r", key: "key" };
    const once = () =>
      keys.once({ ...request, bodyDigest: new Uint8Array(32) }, (keep) =>
        withTenant(db, scopeOf(trader), (tx) => keep(tx, { status: 204, body: null })),
      );
    await once();
    await once();
  },
  "what a crash left": () => reconcile(custody),
  "what is to be checked": async () => {
    await sql`update credentials set next_check_at = now() where id = ${id}`.execute(world.database.owner);
    expect(await checkDue(custody, { atOnce: 8, perSecond: 10_000 })).toEqual({ done: 1, failed: 0 });
  },
  "twenty of ten thousand that are to be checked": async () => {
    const { owner: admin } = world.database;
    const late = sql`label = '9' and id <> ${id}`;
    await sql`update credentials set next_check_at = now() - random() * interval '1 hour' where ${late}`.execute(
      admin,
    );
    await sql`analyze credentials`.execute(admin);
    const { rows } = await sql`select * from clock.claim_checks('scripted', 20, interval '1 minute')`.execute(
      db,
    );
    expect(rows).toHaveLength(20);
    expect(await dueChecks(db, 20)).toHaveLength(20);
    await sql`update credentials set next_check_at = now() + interval '1 hour', check_leased_until = null where ${late}`.execute(
      admin,
    );
    await sql`analyze credentials`.execute(admin);
  },
  "what is to be rotated": async () => {
    await schedule(custody, owner, id, { parentId: null, everyDays: 30, nextAt: new Date(0) });
    expect(await beginDue(custody)).toEqual({ done: 1, failed: 0 });
    await showSchedule(custody, owner, id);
  },
  "what is to be done about keys at venues": async () => {
    await sql`insert into venue_rotations (tenant_id, id, credential_id, parent_id, stage, reason)
      values (${tenant.id}, ${randomUUID()}, ${id}, ${randomUUID()}, 'withdrawing', 'test')
      on conflict (credential_id) do update set due_at = now()`.execute(world.database.owner);
    expect(await stepDue(custody)).toEqual({ done: 1, failed: 0 });
  },
  "a rotation, its versions and its end": async () => {
    const { revision } = await show(custody, owner, id);
    await rotate(custody, owner, id, revision, { fields: secretFields({ api_key: "3", api_secret: "3" }) });
    await listVersions(custody, owner, id);
    await sql`update rotations set overlap_until = now() where state = 'overlap' and credential_id = ${id}`.execute(
      world.database.owner,
    );
    expect(await finishDueRotations(custody)).toEqual({ done: 1, failed: 0 });
  },
  "what has passed its date": () => expireDue(custody),
  "whose end is near": () => warnExpiring(custody),
  "what was kept long enough": () => forgetHistory(custody),
  "deleted accounts": () => eraseAccounts(custody),
  "deleted tenants": () => eraseTenants(custody),
};

describe("with 100,000 credentials of 500 tenants", () => {
  test("there are as many", async () => {
    const { rows } = await sql<{ n: number; tenants: number }>`
      select count(*)::integer as n, count(distinct tenant_id)::integer as tenants from credentials`.execute(
      world.database.owner,
    );
    expect(rows[0]?.n).toBeGreaterThan(100_000);
    expect(rows[0]?.tenants).toBe(500);
  });

  test.each(Object.keys(verbs))("%s is found by index, and touches no more than it needs", async (name) => {
    await verbs[name]?.();
    expect(ran.length, "statements were explained").toBeGreaterThan(0);
    expect(faultsOf(ran)).toEqual([]);
  });
});

// In order, after the others: each index that is gone stays gone.
describe("the same check finds the missing", () => {
  test.each([
    ["drop index credentials_asked", "what is to be checked"],
    ["drop index credentials_ending", "whose end is near"],
    ["drop index credentials_expiring", "what has passed its date"],
    ["drop index rotation_schedules_due", "what is to be rotated"],
    ["drop index venue_rotations_due", "what is to be done about keys at venues"],
    ["drop index invocations_ended", "what was kept long enough"],
    ["drop index accounts_deleted", "deleted accounts"],
    ["drop index tenants_deleted", "deleted tenants"],
    ["drop index intents_by_tenant", "what a crash left"],
    ["alter table api_keys drop constraint api_keys_hash_key", "the owner of an API key"],
    ["alter table sealed_secrets drop constraint sealed_secrets_pkey", "a disclosure"],
  ])("%s", async (statement, name) => {
    await sql.raw(statement).execute(world.database.owner);
    await verbs[name]?.();
    expect(faultsOf(ran)).not.toEqual([]);
  });
});
