import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { change } from "../../src/audit/change.ts";
import { listDeliveries } from "../../src/webhooks/delivery.ts";
import { updateWebhook } from "../../src/webhooks/webhook.ts";
import type { Receiver } from "../../testkit/receiver.ts";
import { deliveriesOf, queueAll, WebhookWorld } from "../../testkit/webhooks.ts";
import { createWorld, type World } from "../../testkit/world.ts";

let world: World;
let hooks: WebhookWorld;
let receiver: Receiver;
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
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
});

const firstPage = { limit: 200, after: null };

describe("what the record notes for webhooks", () => {
  test("holds up neither the change nor other tenants when somebody keeps a webhook locked", async () => {
    const { owner: other } = await world.createTenant();
    const otherAccount = await world.createAccount(other);
    const { webhook } = await hooks.webhook(owner, receiver);
    await hooks.webhook(other, receiver);
    const client = await world.database.ownerPool.connect();
    await client.query(`begin; select * from webhook_endpoints where id = '${webhook.id}' for update`);
    await freezeAccountOf(owner, accountId);
    await freezeAccountOf(other, otherAccount);
    await queueAll(hooks.webhooks);
    const count = async (who: Member) =>
      (await listDeliveries(hooks.webhooks, who, {}, firstPage)).items.length;
    expect([await count(owner), await count(other)]).toEqual([0, 1]);
    await client.query("rollback");
    client.release();
    await queueAll(hooks.webhooks);
    expect([await count(owner), await count(other)], "nothing is lost").toEqual([1, 1]);
  });

  test("is queued in the order of the record, however many processes look at once, and each message once", async () => {
    await hooks.webhook(owner, receiver);
    const { db } = world.custody;
    for (let n = 0; n < 30; n += 1) {
      const reason = `${n}`;
      await change(db, owner, () =>
        Promise.resolve({
          value: {},
          events: [
            { event: "webhook.disabled", detail: { endpoint_id: reason, reason: "gone" } },
            { event: "webhook.disabled", detail: { endpoint_id: `${n} b`, reason: "gone" } },
          ],
        }),
      );
    }
    await Promise.all(Array.from({ length: 6 }, () => queueAll(hooks.webhooks)));
    const { rows } = await sql<{ payload: string }>`select payload from webhook_deliveries
      where tenant_id = ${owner.tenantId} order by ctid`.execute(world.database.owner);
    const told = rows.map(({ payload }) => /"endpoint_id":"([^"]+)"/.exec(payload)?.[1]);
    expect(told).toEqual(Array.from({ length: 30 }, (_, n) => [`${n}`, `${n} b`]).flat());
  });

  test("goes to the webhooks that were on when it happened", async () => {
    const { webhook } = await hooks.webhook(owner, receiver);
    await freezeAccountOf(owner, accountId);
    await updateWebhook(hooks.webhooks, owner, { id: webhook.id, revision: 1 }, { status: "disabled" });
    const { webhook: later } = await hooks.webhook(owner, receiver);
    await freezeAccountOf(owner, accountId);
    const deliveries = await deliveriesOf(hooks.webhooks, owner);
    expect(deliveries.map(({ endpoint_id }) => endpoint_id)).toEqual([webhook.id, later.id]);
  });

  /** Nobody has looked at the outbox yet. */
  async function freezeAccountOf(who: Member, id: string): Promise<void> {
    await change(world.custody.db, who, () =>
      Promise.resolve({
        value: {},
        events: [{ event: "account.frozen", detail: { account_id: id, reason: null } }],
      }),
    );
  }
});
