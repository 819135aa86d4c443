import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Member, scopeOf } from "../../src/access/principal.ts";
import { eraseTenants } from "../../src/credentials/erase.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { register } from "../../src/credentials/register.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { withTenant } from "../../src/db/tenant.ts";
import { freezeAccount } from "../../src/tenants/account.ts";
import { deleteTenant, freezeTenant, resumeTenant, suspendTenant } from "../../src/tenants/tenant.ts";
import { listDeliveries, replayDelivery, showDelivery, testWebhook } from "../../src/webhooks/delivery.ts";
import { tellable } from "../../src/webhooks/events.ts";
import { forgetOld } from "../../src/webhooks/outbox.ts";
import {
  createWebhook,
  listWebhooks,
  removeWebhook,
  rotateSecret,
  showWebhook,
  updateWebhook,
} from "../../src/webhooks/webhook.ts";
import { leaksIn } from "../../testkit/leaks.ts";
import type { Receiver } from "../../testkit/receiver.ts";
import { countRows, eventNames, eventsOf } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { happen, queueAll, WebhookWorld } from "../../testkit/webhooks.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let hooks: WebhookWorld;
let receiver: Receiver;
let tenant: Tenant;
let owner: Member;
let accountId: string;

beforeAll(async () => {
  world = await createWorld();
  hooks = new WebhookWorld(world);
  receiver = await hooks.receiver();
});
afterAll(async () => {
  await hooks.close();
  await world.close();
});
beforeEach(async () => {
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
});

const firstPage = { limit: 200, after: null };

/** What was queued for the tenant, oldest first, with its body. */
async function queued() {
  await queueAll(hooks.webhooks);
  const { items } = await listDeliveries(hooks.webhooks, owner, {}, firstPage);
  return Promise.all(
    items.toReversed().map(async ({ id }) => {
      const delivery = await showDelivery(hooks.webhooks, owner, id);
      const body: unknown = JSON.parse(delivery.payload);
      return { ...delivery, body };
    }),
  );
}

async function registered(): Promise<string> {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const input = { accountId, venue: "scripted", environment: "live", fields } as const;
  return (await register(new ScriptedVenue().in(world.custody), owner, input)).id;
}

describe("a webhook", () => {
  test("is made with a secret of its own, which is shown once and rests nowhere", async () => {
    const made = [await hooks.webhook(owner, receiver), await hooks.webhook(owner, receiver)];
    const secrets = made.map(({ secret }) => secret);
    for (const secret of secrets) expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(new Set(secrets).size).toBe(2);

    const { items } = await listWebhooks(hooks.webhooks, owner, firstPage);
    expect(items.map(({ id }) => id)).toEqual(made.map(({ webhook }) => webhook.id).toReversed());
    expect(await showWebhook(hooks.webhooks, owner, items[0]?.id ?? "")).toEqual(items[0]);
    const bare = secrets.map((secret) => secret.slice("whsec_".length));
    const { rows } = await sql`select to_jsonb(e) as row from webhook_endpoints e
      union all select to_jsonb(l) from audit.links l`.execute(world.database.owner);
    const surface = Buffer.from(JSON.stringify([items, rows]));
    expect(leaksIn(surface, bare)).toEqual([]);
    expect(leaksIn(Buffer.concat([surface, Buffer.from(bare[0] ?? "")]), bare), "the control").toContain(
      "raw",
    );
  });

  test("and all that is done to it stands in the record", async () => {
    const { webhook } = await hooks.webhook(owner, receiver);
    const { id } = webhook;
    const changed = await updateWebhook(hooks.webhooks, owner, { id, revision: 1 }, { description: "desk" });
    await rotateSecret(hooks.webhooks, owner, { id, revision: changed.revision });
    await testWebhook(hooks.webhooks, owner, id);
    await removeWebhook(hooks.webhooks, owner, id);

    const events = await eventsOf(world.custody.db, owner);
    expect(
      events
        .filter(({ event }) => event.startsWith("webhook."))
        .map(({ event, detail }) => [event, detail["endpoint_id"]]),
    ).toEqual(
      ["created", "updated", "secret_rotated", "tested", "deleted"].map((name) => [`webhook.${name}`, id]),
    );
  });

  test("is changed by those alone who have seen its present state", async () => {
    const { webhook } = await hooks.webhook(owner, receiver);
    const { id } = webhook;
    const changes = await Promise.allSettled(
      Array.from({ length: 10 }, (_, at) =>
        updateWebhook(hooks.webhooks, owner, { id, revision: 1 }, { description: `${at}` }),
      ),
    );
    expect(changes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    await expect(rotateSecret(hooks.webhooks, owner, { id, revision: 1 })).rejects.toMatchObject({
      code: "stale",
    });
    const rotated = await rotateSecret(hooks.webhooks, owner, { id, revision: 2 });
    expect(rotated).toMatchObject({ revision: 3, previous_secret_until: expect.any(String) });
  });

  test("has a URL that may be sent to, now and after every change", async () => {
    const url = "http://10.0.0.1/";
    await expect(createWebhook(hooks.webhooks, owner, { url })).rejects.toMatchObject({ code: "malformed" });
    const { webhook } = await hooks.webhook(owner, receiver);
    await expect(
      updateWebhook(hooks.webhooks, owner, { id: webhook.id, revision: 1 }, { url }),
    ).rejects.toMatchObject({ code: "malformed" });
    expect(await showWebhook(hooks.webhooks, owner, webhook.id)).toMatchObject({
      url: receiver.url,
      revision: 1,
    });
  });

  test("is one of twenty at most, also when many are made at once", async () => {
    const made = await Promise.allSettled(Array.from({ length: 25 }, () => hooks.webhook(owner, receiver)));
    expect(made.filter(({ status }) => status === "fulfilled")).toHaveLength(20);
    await expect(hooks.webhook(owner, receiver)).rejects.toMatchObject({ code: "illegal_state" });
    const { items } = await listWebhooks(hooks.webhooks, owner, firstPage);
    await removeWebhook(hooks.webhooks, owner, items[0]?.id ?? "");
    await hooks.webhook(owner, receiver);
  });

  test("of another tenant is like one that there is not, and asking for it is recorded", async () => {
    const { owner: stranger } = await world.createTenant();
    const { webhook } = await hooks.webhook(stranger, receiver);
    const delivery = await testWebhook(hooks.webhooks, stranger, webhook.id);
    const verbs = (webhookId: string, deliveryId: string): readonly (() => Promise<unknown>)[] => [
      () => showWebhook(hooks.webhooks, owner, webhookId),
      () => updateWebhook(hooks.webhooks, owner, { id: webhookId, revision: 1 }, { status: "disabled" }),
      () => rotateSecret(hooks.webhooks, owner, { id: webhookId, revision: 1 }),
      () => testWebhook(hooks.webhooks, owner, webhookId),
      () => removeWebhook(hooks.webhooks, owner, webhookId),
      () => showDelivery(hooks.webhooks, owner, deliveryId),
      () => replayDelivery(hooks.webhooks, owner, deliveryId),
    ];
    const answers = (list: ReturnType<typeof verbs>) =>
      Promise.all(list.map((verb) => verb().catch((error: unknown) => String(error))));
    const foreign = await answers(verbs(webhook.id, delivery.id));
    expect(foreign).toEqual(await answers(verbs(randomUUID(), randomUUID())));
    expect(new Set(foreign)).toEqual(
      new Set([
        "KeyholdError: not_found: There is no such webhook.",
        "KeyholdError: not_found: There is no such webhook delivery.",
      ]),
    );
    expect((await listWebhooks(hooks.webhooks, owner, firstPage)).items).toEqual([]);
    expect((await listDeliveries(hooks.webhooks, owner, { webhookId: webhook.id }, firstPage)).items).toEqual(
      [],
    );
    expect(
      (await eventNames(world.custody.db, owner)).filter((name) => name === "access.refused"),
    ).toHaveLength(14);
    expect(await showWebhook(hooks.webhooks, stranger, webhook.id)).toMatchObject({
      revision: 1,
      status: "active",
    });
  });

  test("is nothing for those who see only what they own, and only to be read for an auditor", async () => {
    const { webhook } = await hooks.webhook(owner, receiver);
    for (const role of ["trader", "viewer"] as const) {
      const member = await tenant.addMember(role);
      await expect(listWebhooks(hooks.webhooks, member, firstPage)).rejects.toMatchObject({
        code: "forbidden",
      });
      await expect(hooks.webhook(member, receiver)).rejects.toMatchObject({ code: "forbidden" });
    }
    const auditor = await tenant.addMember("auditor");
    expect((await listWebhooks(hooks.webhooks, auditor, firstPage)).items).toHaveLength(1);
    await expect(testWebhook(hooks.webhooks, auditor, webhook.id)).rejects.toMatchObject({
      code: "forbidden",
    });
    const admin = await tenant.addMember("admin");
    expect(await testWebhook(hooks.webhooks, admin, webhook.id)).toMatchObject({ state: "pending" });
  });
});

describe("what is queued", () => {
  test("is the same in the program and in the database, event by event, field by field", async () => {
    const { rows } = await sql<{ name: string; fields: string[] }>`select * from webhook_events`.execute(
      world.database.owner,
    );
    expect(Object.fromEntries(rows.map(({ name, fields }) => [name, fields]))).toEqual(tellable);
  });

  test("tells what happened to which credential, and nothing else of the record", async () => {
    await hooks.webhook(owner, receiver);
    const id = await registered();
    await update(world.custody, owner, id, 1, { label: "second" });
    await freeze(world.custody, owner, id, "posted in a chat");
    await unfreeze(world.custody, owner, id);
    await revoke(world.custody, owner, id);

    const data = { tenant_id: tenant.id, credential_id: id, venue: "scripted", environment: "live" };
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]{15}Z$/);
    const told = (type: string, more: object = {}) => ({ type, timestamp: time, data: { ...data, ...more } });
    expect((await queued()).map(({ body }) => body)).toEqual([
      told("credential.registered"),
      told("credential.updated", { changed: ["label"] }),
      told("credential.frozen"),
      told("credential.unfrozen"),
      told("credential.revoked"),
    ]);
  });

  test("tells of accounts and tenants by their ids, and of what the operator does to the tenant", async () => {
    await hooks.webhook(owner, receiver);
    await freezeAccount(world.custody.db, owner, accountId, "an incident");
    await freezeTenant(world.custody.db, owner, "an incident");
    await suspendTenant(world.custody.db, world.operator, tenant.id);
    await resumeTenant(world.custody.db, world.operator, tenant.id);

    expect((await queued()).map(({ body }) => body)).toMatchObject([
      { type: "account.frozen", data: { tenant_id: tenant.id, account_id: accountId } },
      { type: "tenant.frozen", data: { tenant_id: tenant.id } },
      { type: "tenant.suspended", data: { tenant_id: tenant.id } },
      { type: "tenant.resumed", data: { tenant_id: tenant.id } },
    ]);
    expect(JSON.stringify(await queued())).not.toContain("incident");
  });

  test("goes to every webhook that wants it, under one id", async () => {
    const all = await hooks.webhook(owner, receiver);
    const some = await hooks.webhook(owner, receiver, { events: ["account.frozen", "account.frozen"] });
    await hooks.webhook(owner, receiver, { events: ["credential.revoked"] });
    const off = await hooks.webhook(owner, receiver);
    await updateWebhook(hooks.webhooks, owner, { id: off.webhook.id, revision: 1 }, { status: "disabled" });
    const gone = await hooks.webhook(owner, receiver);
    await removeWebhook(hooks.webhooks, owner, gone.webhook.id);
    await happen(world.custody.db, owner, accountId);

    const deliveries = await queued();
    expect(new Set(deliveries.map(({ endpoint_id }) => endpoint_id))).toEqual(
      new Set([all.webhook.id, some.webhook.id]),
    );
    expect(deliveries).toHaveLength(2);
    expect(new Set(deliveries.map(({ message_id }) => message_id)).size).toBe(1);
    expect(some.webhook.events).toEqual(["account.frozen"]);
  });

  test("is undone with the change that it tells of", async () => {
    await hooks.webhook(owner, receiver);
    const record = async (fails: boolean): Promise<void> => {
      await withTenant(world.custody.db, scopeOf(owner), async (tx) => {
        await sql`select audit.record(${tenant.id}, '{account.frozen}', '{ok}',
          array[${JSON.stringify({ account_id: accountId })}], '{null}')`.execute(tx);
        if (fails) throw new Error("after the record");
      });
    };
    await expect(record(true)).rejects.toThrow("after the record");
    expect(await queued()).toEqual([]);
    await record(false);
    expect(await queued(), "the control: without the error it is there").toHaveLength(1);
  });

  test("stays with its tenant", async () => {
    const { owner: stranger } = await world.createTenant();
    await hooks.webhook(stranger, receiver);
    await happen(world.custody.db, owner, accountId);
    expect((await listDeliveries(hooks.webhooks, stranger, {}, firstPage)).items).toEqual([]);
  });
});

describe("lists of deliveries", () => {
  test("are in pages, newest first, by webhook and by state", async () => {
    const one = await hooks.webhook(owner, receiver);
    await hooks.webhook(owner, receiver, { events: ["credential.revoked"] });
    await happen(world.custody.db, owner, accountId, 7);
    const ids: string[] = [];
    let page = await listDeliveries(
      hooks.webhooks,
      owner,
      { webhookId: one.webhook.id },
      { limit: 3, after: null },
    );
    for (
      ;
      ;
      page = await listDeliveries(
        hooks.webhooks,
        owner,
        { webhookId: one.webhook.id },
        { limit: 3, after: page.next },
      )
    ) {
      ids.push(...page.items.map(({ id }) => id));
      if (page.next === null) break;
    }
    expect(new Set(ids).size).toBe(7);
    const states = async (state: "pending" | "delivered" | "dead") =>
      (await listDeliveries(hooks.webhooks, owner, { state }, firstPage)).items.length;
    expect([await states("pending"), await states("delivered"), await states("dead")]).toEqual([7, 0, 0]);
  });
});

describe("what is not kept", () => {
  test("goes with its webhook, which goes a moment after it was deleted", async () => {
    const { webhook } = await hooks.webhook(owner, receiver);
    await happen(world.custody.db, owner, accountId, 2);
    await removeWebhook(hooks.webhooks, owner, webhook.id);
    expect((await forgetOld(hooks.webhooks)).done).toBe(0);
    await sql`update webhook_endpoints set deleted_at = now() - interval '2 minutes' where id = ${webhook.id}`.execute(
      world.database.owner,
    );
    expect((await forgetOld(hooks.webhooks)).done).toBe(1);
    expect((await listDeliveries(hooks.webhooks, owner, {}, firstPage)).items).toEqual([]);
  });

  test("is what has been kept long enough", async () => {
    await hooks.webhook(owner, receiver);
    await happen(world.custody.db, owner, accountId, 3);
    const [first, second] = (await queued()).map(({ id }) => id);
    await sql`update webhook_deliveries set forget_at = now() - interval '1 second' where id = ${first}`.execute(
      world.database.owner,
    );
    await sql`update webhook_deliveries set forget_at = now() + interval '1 hour' where id = ${second}`.execute(
      world.database.owner,
    );
    expect((await forgetOld(hooks.webhooks)).done).toBe(1);
    expect(await queued()).toHaveLength(2);
  });

  test("goes with its tenant", async () => {
    await hooks.webhook(owner, receiver);
    await happen(world.custody.db, owner, accountId, 2);
    await deleteTenant(world.custody.db, world.operator, tenant.id);
    await eraseTenants(world.custody);
    await queueAll(hooks.webhooks);
    const counts: number[] = [];
    for (const name of Object.keys(await countRows(world.database.owner)).filter((table) =>
      table.startsWith("webhook_"),
    )) {
      if (name === "webhook_events") continue;
      const { rows } = await world.database.ownerPool.query<{ n: number }>(
        `select count(*) as n from ${name} where tenant_id = $1`,
        [tenant.id],
      );
      counts.push(rows[0]?.n ?? -1);
    }
    expect(counts).toEqual([0, 0, 0, 0]);
  });
});
