import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { replayDelivery, showDelivery, testWebhook } from "../../src/webhooks/delivery.ts";
import { showWebhook, updateWebhook, type Webhooks } from "../../src/webhooks/webhook.ts";
import type { Receiver } from "../../testkit/receiver.ts";
import { eventsOf } from "../../testkit/record.ts";
import { deliveriesOf, fails, happen, WebhookWorld } from "../../testkit/webhooks.ts";
import { createWorld, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let hooks: WebhookWorld;
let webhooks: Webhooks;
let tenant: Tenant;
let owner: Member;
let accountId: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  // What an earlier test left waiting would be sent by the processes of the next.
  await sql`delete from webhook_endpoints`.execute(world.database.owner);
  hooks = new WebhookWorld(world);
  ({ webhooks } = hooks);
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
  return () => hooks.close();
});

const saysGone: Receiver["answer"] = (_, response) => void response.writeHead(410).end();
const deliveries = () => deliveriesOf(webhooks, owner);

describe("a receiver that fails", () => {
  test("is sent the same message ten times, each signed anew, and then no more", async () => {
    const receiver = await hooks.receiver(fails);
    const { secret } = await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    const sender = hooks.sender();
    const waits: number[] = [];
    for (let n = 0; n < 12; n += 1) {
      await sender.drain();
      const { rows } = await sql<{ wait: number | null }>`
        select extract(epoch from due_at - now())::float8 as wait from webhook_deliveries`.execute(
        world.database.owner,
      );
      waits.push(rows[0]?.wait ?? 0);
      await hooks.hurry();
    }
    expect(receiver.messages).toHaveLength(10);
    expect(receiver.ids.size).toBe(1);
    for (const { payload, headers } of receiver.messages) new Webhook(secret).verify(payload, { ...headers });
    const schedule = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
    for (const [at, seconds] of schedule.entries()) {
      expect(waits[at], `after attempt ${at + 1}`).toBeGreaterThan(seconds * 0.9 - 60);
      expect(waits[at], `after attempt ${at + 1}`).toBeLessThan(seconds * 1.1);
    }
    const [delivery] = await deliveries();
    expect(delivery).toMatchObject({ state: "dead", attempts: 10, outcome: "status_5xx", due_at: null });
    const { log } = await showDelivery(webhooks, owner, delivery?.id ?? "");
    expect(log.map(({ number, outcome, status }) => [number, outcome, status])).toEqual(
      Array.from({ length: 10 }, (_, at) => [at + 1, "status_5xx", 500]),
    );
    expect(hooks.log()).toContain("a webhook was given up");
  });

  test("is sent it again when somebody asks, under its old id and with a schedule of its own", async () => {
    const receiver = await hooks.receiver(fails);
    await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    const sender = hooks.sender();
    for (let n = 0; n < 10; n += 1) {
      await sender.drain();
      await hooks.hurry();
    }
    const [dead] = await deliveries();
    expect(dead?.state).toBe("dead");

    expect(await replayDelivery(webhooks, owner, dead?.id ?? "")).toMatchObject({
      state: "pending",
      attempts: 10,
    });
    await hooks.hurry();
    await sender.drain();
    expect(await deliveries()).toMatchObject([{ state: "pending", attempts: 11 }]);
    receiver.answer = (_, response) => void response.writeHead(200).end();
    await hooks.hurry();
    await sender.drain();
    expect(await deliveries()).toMatchObject([{ state: "delivered", attempts: 12 }]);
    await replayDelivery(webhooks, owner, dead?.id ?? "");
    await sender.drain();
    expect(await deliveries()).toMatchObject([{ state: "delivered", attempts: 13 }]);
    expect(receiver.messages).toHaveLength(13);
    expect(receiver.ids.size, "one id in all of them").toBe(1);
  });

  test("is left alone for a while after three failures, tried with one message, and trusted again after a success", async () => {
    const receiver = await hooks.receiver(fails);
    const { webhook } = await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId, 12);
    const sender = hooks.sender();
    await sender.drain();
    const paused = receiver.messages.length;
    expect(paused, "as many as were on their way together").toBeLessThan(12);
    await sender.drain();
    expect(receiver.messages).toHaveLength(paused);

    await hooks.hurry();
    await sender.drain();
    expect(receiver.messages, "a single message finds out").toHaveLength(paused + 1);
    expect((await showWebhook(webhooks, owner, webhook.id)).failing_since).not.toBeNull();

    receiver.answer = (_, response) => void response.writeHead(204).end();
    await hooks.hurry();
    await sender.drain();
    expect((await deliveries()).every(({ state }) => state === "delivered")).toBe(true);
    expect((await showWebhook(webhooks, owner, webhook.id)).failing_since).toBeNull();
  });

  test("is tried at once when somebody asks for a test or a replay, pause or not", async () => {
    const receiver = await hooks.receiver(fails);
    const { webhook } = await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId, 4);
    const sender = hooks.sender();
    await sender.drain();
    await sender.drain();
    expect(receiver.messages, "the control: it is left alone").toHaveLength(4);
    await testWebhook(webhooks, owner, webhook.id);
    await sender.drain();
    expect(receiver.messages).toHaveLength(5);
    const [first] = await deliveries();
    await replayDelivery(webhooks, owner, first?.id ?? "");
    await sender.drain();
    expect(receiver.messages).toHaveLength(6);
  });

  test("while somebody asks for the message again does not take from its new schedule", async () => {
    const receiver = await hooks.receiver(fails);
    await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    const sender = hooks.sender();
    for (let n = 0; n < 9; n += 1) {
      await sender.drain();
      await hooks.hurry();
    }
    const [last] = await deliveries();
    expect(last).toMatchObject({ state: "pending", attempts: 9 });
    const asked = Promise.withResolvers<undefined>();
    receiver.answer = (_, response) => void asked.promise.then(() => response.writeHead(500).end());
    const draining = sender.drain();
    await expect.poll(() => receiver.messages.length, { timeout: 20_000 }).toBe(10);
    await replayDelivery(webhooks, owner, last?.id ?? "");
    asked.resolve(undefined);
    await draining;
    expect((await deliveries())[0], "the tenth failure would have been the last").toMatchObject({
      state: "pending",
    });
    const { log } = await showDelivery(webhooks, owner, last?.id ?? "");
    expect(log.length).toBeGreaterThanOrEqual(10);
  });

  test("for five days is switched off, which is recorded and told to the other webhooks; what waits stays", async () => {
    const receiver = await hooks.receiver(fails);
    const other = await hooks.receiver();
    const { webhook } = await hooks.webhook(owner, receiver, { events: ["account.frozen"] });
    await hooks.webhook(owner, other, { events: ["webhook.disabled"] });
    await happen(webhooks.db, owner, accountId);
    const sender = hooks.sender();
    const failingFor = async (interval: string): Promise<unknown> => {
      await sql`update webhook_endpoints set failing_since = now() - ${interval}::interval where id = ${webhook.id}`.execute(
        world.database.owner,
      );
      await hooks.hurry();
      await sender.drain();
      return showWebhook(webhooks, owner, webhook.id);
    };
    expect(await failingFor("4 days 23 hours")).toMatchObject({ status: "active" });
    expect(await failingFor("5 days")).toMatchObject({ status: "disabled", disabled_reason: "failing" });
    expect(hooks.log()).toContain("a webhook was switched off");
    expect((await eventsOf(webhooks.db, owner)).at(-1)).toMatchObject({
      event: "webhook.disabled",
      detail: { actor: { kind: "system" }, endpoint_id: webhook.id, reason: "failing" },
    });
    expect(other.messages).toMatchObject([
      {
        type: "webhook.disabled",
        data: { tenant_id: tenant.id, endpoint_id: webhook.id, reason: "failing" },
      },
    ]);

    await happen(webhooks.db, owner, accountId);
    await hooks.hurry();
    await sender.drain();
    expect(receiver.messages, "nothing is sent or queued").toHaveLength(2);
    receiver.answer = (_, response) => void response.writeHead(204).end();
    const { revision } = await showWebhook(webhooks, owner, webhook.id);
    await updateWebhook(webhooks, owner, { id: webhook.id, revision }, { status: "active" });
    await sender.drain();
    expect(receiver.messages, "what was waiting").toHaveLength(3);
    expect(receiver.ids.size).toBe(1);
  });

  test("that says it is gone is switched off at its first word", async () => {
    const receiver = await hooks.receiver(saysGone);
    const { webhook } = await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId, 3);
    await hooks.sender({ atOnce: 1 }).drain();
    expect(receiver.messages).toHaveLength(1);
    expect(await showWebhook(webhooks, owner, webhook.id)).toMatchObject({
      status: "disabled",
      disabled_reason: "gone",
      revision: 2,
    });
    expect(
      (await eventsOf(webhooks.db, owner)).filter(({ event }) => event === "webhook.disabled"),
    ).toHaveLength(1);
    await expect(testWebhook(webhooks, owner, webhook.id)).rejects.toMatchObject({ code: "illegal_state" });
    const [first] = await deliveries();
    await expect(replayDelivery(webhooks, owner, first?.id ?? "")).rejects.toMatchObject({
      code: "illegal_state",
    });
  });
});
