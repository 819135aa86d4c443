import { sql } from "kysely";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { KeyholdError } from "../../src/errors.ts";
import { deliver } from "../../src/webhooks/deliver.ts";
import { showDelivery, testWebhook } from "../../src/webhooks/delivery.ts";
import { claimDue, outboxAge } from "../../src/webhooks/outbox.ts";
import { rotateSecret, showWebhook, type Webhooks } from "../../src/webhooks/webhook.ts";
import type { Received, Receiver } from "../../testkit/receiver.ts";
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

/** Says nothing, ever. */
const hangs: Receiver["answer"] = () => undefined;

const deliveries = () => deliveriesOf(webhooks, owner);

const verifies = (secret: string, { payload, headers }: Received): boolean => {
  try {
    new Webhook(secret).verify(payload, { ...headers });
    return true;
  } catch {
    return false;
  }
};

describe("a message", () => {
  test("is sent as Standard Webhooks says, and verified by its reference library", async () => {
    const receiver = await hooks.receiver();
    const { secret, webhook } = await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    await hooks.sender().drain();

    const [message] = receiver.messages;
    const [delivery] = await deliveries();
    expect(message?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "keyhold",
      "webhook-id": expect.stringMatching(/^msg_[0-9a-f]{32}$/),
    });
    expect(new Webhook(secret).verify(message?.payload ?? "", { ...message?.headers })).toMatchObject({
      type: "account.frozen",
      data: { tenant_id: tenant.id, account_id: accountId },
    });
    expect(delivery).toMatchObject({
      endpoint_id: webhook.id,
      message_id: message?.id,
      state: "delivered",
      attempts: 1,
      outcome: "delivered",
      due_at: null,
    });
    await hooks.sender().drain();
    expect(receiver.messages, "and not once more").toHaveLength(1);
  });

  test("has two signatures for a day after a rotation, and then that of the new secret alone", async () => {
    const receiver = await hooks.receiver();
    const first = await hooks.webhook(owner, receiver);
    const { id } = first.webhook;
    const second = await rotateSecret(webhooks, owner, { id, revision: 1 });
    const sent = async (): Promise<boolean[]> => {
      await testWebhook(webhooks, owner, id);
      await hooks.sender().drain();
      const message = receiver.messages.at(-1);
      if (message === undefined) throw new Error("nothing came");
      return [first.secret, second.secret].map((secret) => verifies(secret, message));
    };
    expect(await sent()).toEqual([true, true]);
    expect(receiver.messages.at(-1)?.headers["webhook-signature"]?.split(" ")).toHaveLength(2);
    const until = Date.parse((await showWebhook(webhooks, owner, id)).previous_secret_until ?? "");
    expect(Math.abs(until - Date.now() - 86_400_000)).toBeLessThan(600_000);

    await sql`update webhook_endpoints set previous_until = now() where id = ${id}`.execute(
      world.database.owner,
    );
    expect(await sent()).toEqual([false, true]);
  });

  test("has one signature at once when the secret before has been learned by somebody", async () => {
    const receiver = await hooks.receiver();
    const first = await hooks.webhook(owner, receiver);
    const { id } = first.webhook;
    const second = await rotateSecret(webhooks, owner, { id, revision: 1, overlapSeconds: 0 });
    await testWebhook(webhooks, owner, id);
    await hooks.sender().drain();

    const [message] = receiver.messages;
    expect(message?.headers["webhook-signature"]?.split(" ")).toHaveLength(1);
    expect(message !== undefined && verifies(second.secret, message)).toBe(true);
  });

  test("that was asked for as a test says so, and goes the way of all others", async () => {
    const receiver = await hooks.receiver();
    const { webhook } = await hooks.webhook(owner, receiver, { events: ["credential.revoked"] });
    const { id } = await testWebhook(webhooks, owner, webhook.id);
    await hooks.sender().drain();

    expect(receiver.messages).toMatchObject([
      { type: "webhook.test", data: { tenant_id: tenant.id, endpoint_id: webhook.id } },
    ]);
    expect(await showDelivery(webhooks, owner, id)).toMatchObject({
      state: "delivered",
      log: [{ number: 1, status: 204 }],
    });
  });
});

describe("a receiver that is slow", () => {
  test("keeps nobody else waiting: all others have theirs before its first attempt is over", async () => {
    const slow = await hooks.receiver(hangs);
    const quick = await hooks.receiver();
    const { owner: neighbour } = await world.createTenant();
    const account = await world.createAccount(neighbour);
    await hooks.webhook(owner, slow);
    await happen(webhooks.db, owner, accountId, 40);
    await hooks.webhook(neighbour, quick);
    await happen(webhooks.db, neighbour, account, 20);

    const all = Promise.withResolvers<undefined>();
    quick.answer = (_, response) => {
      response.writeHead(204).end();
      if (quick.messages.length === 20) all.resolve(undefined);
    };
    // Without a limit of its own the slow one would hold all eight, for as long as a test may take.
    const sender = hooks.sender({ atOnce: 8, withinMs: 300_000 });
    void sender.drain();
    await all.promise;
    expect(slow.messages, "four at once are on their way to one webhook").toHaveLength(4);
    await slow.close();
    await sender.stop();
  });

  test("the control: without a limit of its own it would take all places at once", async () => {
    const slow = await hooks.receiver(hangs);
    const { webhook } = await hooks.webhook(owner, slow);
    await happen(webhooks.db, owner, accountId, 40);
    const { owner: neighbour } = await world.createTenant();
    await hooks.webhook(neighbour, await hooks.receiver());
    await happen(webhooks.db, neighbour, await world.createAccount(neighbour), 20);
    const { rows } = await sql<{ endpoint_id: string }>`
      select d.endpoint_id from webhooks.claim(8, 100, interval '1 minute') c join webhook_deliveries d on d.id = c.id`.execute(
      world.database.owner,
    );
    expect(rows).toEqual(Array.from({ length: 8 }, () => ({ endpoint_id: webhook.id })));
  });

  test("is sent four messages at once at most, from all processes together", async () => {
    const slow = await hooks.receiver(hangs);
    await hooks.webhook(owner, slow);
    await happen(webhooks.db, owner, accountId, 30);
    const claimed = await Promise.all(Array.from({ length: 6 }, () => claimDue(webhooks.db, 10)));
    expect(claimed.flat()).toHaveLength(4);
    expect(new Set(claimed.flat().map(({ id }) => id)).size).toBe(4);
    await sql`update webhook_deliveries set leased_until = null`.execute(world.database.owner);
    expect(await claimDue(webhooks.db, 10), "the control: once these are over").toHaveLength(4);
  });

  test.each([0, 1, 3, 30])(
    "is sent four at most when the database believes that there are %i",
    async (counted) => {
      const slow = await hooks.receiver(hangs);
      await hooks.webhook(owner, slow);
      await happen(webhooks.db, owner, accountId, counted);
      await sql`analyze webhook_deliveries, webhook_endpoints`.execute(world.database.owner);
      await happen(webhooks.db, owner, accountId, 30);
      expect(await claimDue(webhooks.db, 2)).toHaveLength(2);
      expect(await claimDue(webhooks.db, 10), "the control: there are more").toHaveLength(2);
    },
  );

  test("and one whose message a member is asking for again this moment hold up nobody's look at the outbox", async () => {
    const receiver = await hooks.receiver();
    await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId, 2);
    const [first] = await deliveries();
    const client = await world.database.ownerPool.connect();
    await client.query("begin");
    await client.query("update webhook_deliveries set tries = 0 where id = $1", [first?.id]);
    await hooks.sender().drain();
    expect(receiver.messages).toHaveLength(1);
    await client.query("rollback");
    client.release();
    await hooks.sender().drain();
    expect(receiver.messages).toHaveLength(2);
  });

  test("has its attempt ended when the time is over, and that is a failure", async () => {
    const slow = await hooks.receiver(hangs);
    await hooks.webhook(owner, slow);
    await happen(webhooks.db, owner, accountId);
    await hooks.sender({ withinMs: 300 }).drain();
    expect(await deliveries()).toMatchObject([{ state: "pending", outcome: "timeout", attempts: 1 }]);
  });
});

describe("a process that dies", () => {
  test("loses nothing: what it had taken is taken by another when its lease is over", async () => {
    const receiver = await hooks.receiver();
    await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId, 3);
    expect(await claimDue(webhooks.db, 2), "and is never heard of again").toHaveLength(2);
    await hooks.sender().drain();
    expect(receiver.messages).toHaveLength(1);
    await sql`update webhook_deliveries set leased_until = now() - interval '1 second' where leased_until is not null`.execute(
      world.database.owner,
    );
    await hooks.sender().drain();
    expect(receiver.ids.size).toBe(3);
    expect((await deliveries()).map(({ attempts }) => attempts)).toEqual([1, 1, 1]);
  });

  test("or only slept does not undo what another has noted", async () => {
    const receiver = await hooks.receiver(fails);
    await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    const [due] = await claimDue(webhooks.db, 1);
    const woken = Promise.withResolvers<undefined>();
    receiver.answer = (_, response) => void woken.promise.then(() => response.writeHead(500).end());
    const sleeper = due === undefined ? Promise.reject(new Error("nothing was due")) : deliver(webhooks, due);
    await expect.poll(() => receiver.messages.length, { timeout: 20_000 }).toBe(1);
    receiver.answer = (_, response) => void response.writeHead(204).end();
    await hooks.hurry();
    await hooks.sender().drain();
    expect(await deliveries()).toMatchObject([{ state: "delivered", attempts: 1 }]);
    woken.resolve(undefined);
    await sleeper;
    expect(await deliveries()).toMatchObject([{ state: "delivered", attempts: 1, outcome: "delivered" }]);
    expect(receiver.messages).toHaveLength(2);
    expect(receiver.ids.size).toBe(1);
  });

  test("while the key that signs is away nothing is sent and nothing is lost", async () => {
    const receiver = await hooks.receiver();
    await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    const mac = () => Promise.reject(new KeyholdError("key_unavailable", "The key provider is away."));
    await hooks.sender({}, { ...webhooks, dataKeys: { mac } }).drain();
    expect(receiver.messages).toHaveLength(0);
    expect(hooks.log()).toContain("could not be made or noted");
    expect(await deliveries()).toMatchObject([{ state: "pending", attempts: 0 }]);
    await hooks.hurry();
    await hooks.sender().drain();
    expect(receiver.messages).toHaveLength(1);
  });
});

describe("the metrics", () => {
  test("count attempts by what came of them, and tell how long the oldest message waits that could be sent", async () => {
    const broken = await hooks.receiver(fails);
    const { webhook } = await hooks.webhook(owner, broken);
    expect(await outboxAge(webhooks.db)).toBe(0);
    await happen(webhooks.db, owner, accountId);
    await sql`update webhook_deliveries set due_at = now() - interval '90 seconds'`.execute(
      world.database.owner,
    );
    expect(await outboxAge(webhooks.db)).toBeGreaterThanOrEqual(90);
    await hooks.sender().drain();
    expect(await outboxAge(webhooks.db), "it is due in five seconds").toBe(0);
    await sql`update webhook_deliveries set due_at = now() - interval '90 seconds'`.execute(
      world.database.owner,
    );
    await sql`update webhook_endpoints set paused_until = now() + interval '1 minute' where id = ${webhook.id}`.execute(
      world.database.owner,
    );
    expect(await outboxAge(webhooks.db), "the receiver fails, not the service").toBe(0);

    const text = await hooks.metrics.registry.metrics();
    expect(text).toContain('keyhold_webhook_deliveries_total{outcome="status_5xx"} 1');
    expect(text).toContain("keyhold_webhook_delivery_duration_seconds_count 1");
  });
});

describe("what is kept of a delivery", () => {
  test("is nothing of what the receiver answered, nor does the log have it, or a URL, or a secret", async () => {
    const marker = `MARKER${"x".repeat(20)}`;
    const receiver = await hooks.receiver((_, response) => {
      response.writeHead(500, { "x-echo": marker }).end(marker);
    });
    const { secret } = await hooks.webhook(owner, receiver);
    await happen(webhooks.db, owner, accountId);
    await hooks.sender().drain();
    const { rows } = await sql`select to_jsonb(d) as row from webhook_deliveries d
      union all select to_jsonb(a) from webhook_attempts a`.execute(world.database.owner);
    expect(rows).toHaveLength(2);
    const kept = JSON.stringify(rows);
    for (const text of [marker, secret.slice(6), receiver.url]) {
      expect(kept).not.toContain(text);
      expect(hooks.log()).not.toContain(text);
    }
    expect(kept, "the control").toContain(accountId);
  });
});
