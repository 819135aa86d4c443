import { sql } from "kysely";
import type { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { openDb, openPool } from "../../src/db/connect.ts";
import { deliver } from "../../src/webhooks/deliver.ts";
import { listDeliveries, replayDelivery, showDelivery } from "../../src/webhooks/delivery.ts";
import { claimDue, forgetOld, outboxAge } from "../../src/webhooks/outbox.ts";
import {
  createWebhook,
  listWebhooks,
  removeWebhook,
  updateWebhook,
  type Webhooks,
} from "../../src/webhooks/webhook.ts";
import { explainEverything, faultsOf, type Ran, watchPlans } from "../../testkit/plans.ts";
import type { Receiver } from "../../testkit/receiver.ts";
import { happen, WebhookWorld } from "../../testkit/webhooks.ts";
import { createWorld, type World } from "../../testkit/world.ts";

let world: World;
let hooks: WebhookWorld;
let webhooks: Webhooks;
let receiver: Receiver;
let owner: Member;
let accountId: string;
let webhookId: string;
let pool: Pool;
let ran: Ran[];

beforeAll(async () => {
  world = await createWorld();
  hooks = new WebhookWorld(world);
  receiver = await hooks.receiver();
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
  webhookId = (await hooks.webhook(owner, receiver)).webhook.id;
  await happen(world.custody.db, owner, accountId);
  await fill();
  pool = openPool(world.database.connection("keyhold_app"), { applicationName: "explained", max: 4 });
  ran = watchPlans(pool);
  webhooks = { ...hooks.webhooks, db: openDb(pool) };
}, 120_000);
afterAll(async () => {
  await hooks.close();
  await webhooks.db.destroy();
  await world.close();
});
beforeEach(() => {
  ran.length = 0;
});

/** 1,000 endpoints of 500 tenants with 150 deliveries each, of which a tenth is still to come and some are due. */
async function fill(): Promise<void> {
  const { owner: admin, name } = world.database;
  await sql
    .raw(`
    set session_replication_role = replica;
    create temporary table e as select gen_random_uuid() as tenant_id, gen_random_uuid() as id, n from generate_series(1, 500) n;
    insert into e select tenant_id, gen_random_uuid(), n + 500 from e;
    insert into tenants (id, name) select distinct tenant_id, 'tenant' from e;
    insert into audit.heads select distinct tenant_id, 0, 0, sha256('') from e;
    insert into members (tenant_id, id, issuer, subject, role) select tenant_id, id, 'issuer', id::text, 'trader' from e;
    insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes)
      select tenant_id, gen_random_uuid(), id, 'key', 'kh_', sha256(id::text::bytea), '{credentials:use}' from e;
    insert into accounts (tenant_id, id, owner_id, name) select tenant_id, id, id, 'account' from e;
    insert into freezes (tenant_id, account_id, rank) select tenant_id, id, 'trader' from e;
    insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store)
      select tenant_id, gen_random_uuid(), id, id, 'scripted', 'live', 'default', 'active', 'postgres' from e;
    insert into webhook_endpoints (tenant_id, id, url) select tenant_id, id, '${receiver.url}' from e;
    insert into webhook_deliveries (tenant_id, endpoint_id, message_id, event, payload, state, due_at, settled_at, forget_at, created_at)
      select tenant_id, id, id, 'account.frozen', '{}', state, case when state = 'pending' then now() + (d - 20 || ' seconds')::interval end,
        case when state <> 'pending' then now() end, now() + (n + d - 400 || ' hours')::interval, now() - (d || ' seconds')::interval
      from e, generate_series(1, 150) d, lateral (select case when d > 15 or n > 300 then 'delivered' else 'pending' end as state) s;
    insert into webhook_attempts (tenant_id, delivery_id, number, outcome, milliseconds)
      select tenant_id, id, 1, 'delivered', 10 from webhook_deliveries where state = 'delivered';
    set session_replication_role = origin;
    analyze;
    drop table e`)
    .execute(admin);
  for (const [setting, value] of Object.entries(explainEverything)) {
    await sql.raw(`alter role keyhold_app in database ${name} set ${setting} = '${value}'`).execute(admin);
  }
}

const page = { limit: 200, after: null };

/** What is asked of the database for webhooks. */
const verbs: Readonly<Record<string, () => Promise<unknown>>> = {
  "what is due": async () => expect(await claimDue(webhooks.db, 32)).toHaveLength(32),
  "the age of the outbox": () => outboxAge(webhooks.db),
  "a message that is queued, sent and noted": async () => {
    await happen(webhooks.db, owner, accountId);
    const { items } = await listDeliveries(webhooks, owner, { state: "pending" }, page);
    await deliver(webhooks, { tenant_id: owner.tenantId, id: items[0]?.id ?? "" });
  },
  "the webhooks": () => listWebhooks(webhooks, owner, page),
  "a webhook that is made, changed and removed": async () => {
    const webhook = await createWebhook(webhooks, owner, { url: receiver.url });
    const { revision } = await updateWebhook(
      webhooks,
      owner,
      { id: webhook.id, revision: 1 },
      { description: "x" },
    );
    expect(revision).toBe(2);
    await removeWebhook(webhooks, owner, webhook.id);
  },
  "the newest deliveries": () => listDeliveries(webhooks, owner, {}, page),
  "the deliveries of a webhook": () => listDeliveries(webhooks, owner, { webhookId }, page),
  "the deliveries of a state": () => listDeliveries(webhooks, owner, { state: "dead" }, page),
  "a delivery and its replay": async () => {
    const { items } = await listDeliveries(webhooks, owner, {}, page);
    await showDelivery(webhooks, owner, items[0]?.id ?? "");
    await replayDelivery(webhooks, owner, items[0]?.id ?? "");
  },
  "what was kept long enough": async () => {
    await sql`update webhook_deliveries set forget_at = now() + interval '1 day'
      where id not in (select id from webhook_deliveries order by forget_at limit 100)`.execute(
      world.database.owner,
    );
    await sql`update webhook_deliveries set forget_at = now() - interval '1 day' where forget_at < now()`.execute(
      world.database.owner,
    );
    await sql`analyze webhook_deliveries`.execute(world.database.owner);
    ran.length = 0;
    await forgetOld(webhooks);
  },
};

/** The table of events is one page, and is read as a whole. */
function faults(): readonly string[] {
  return faultsOf(ran).filter((fault) => !fault.startsWith("reads all of webhook_events:"));
}

describe("with 150,000 deliveries of 1,000 webhooks", () => {
  test.each(Object.keys(verbs))("%s is found by index, and touches no more than it needs", async (name) => {
    await verbs[name]?.();
    expect(ran.length, "statements were explained").toBeGreaterThan(0);
    expect(faults()).toEqual([]);
  });
});

// In order, after the others: each index that is gone stays gone.
describe("the same check finds the missing", () => {
  test.each([
    ["drop index webhook_deliveries_waiting", "what is due"],
    ["drop index webhook_deliveries_by_end", "what was kept long enough"],
  ])("%s", async (statement, name) => {
    await sql.raw(statement).execute(world.database.owner);
    await verbs[name]?.();
    expect(faults()).not.toEqual([]);
  });
});
