import { sql } from "kysely";
import type { Member } from "../src/access/principal.ts";
import { change } from "../src/audit/change.ts";
import type { Db } from "../src/db/connect.ts";
import { Deliveries, type DeliveriesOptions } from "../src/jobs/deliver-webhooks.ts";
import { createLog } from "../src/telemetry/log.ts";
import { createMetrics } from "../src/telemetry/metrics.ts";
import { type Delivery, listDeliveries } from "../src/webhooks/delivery.ts";
import { createGuard } from "../src/webhooks/guard.ts";
import { createWebhook, type Webhook, type WebhookInput, type Webhooks } from "../src/webhooks/webhook.ts";
import { Receiver } from "./receiver.ts";
import type { World } from "./world.ts";

/** An hour: the tests say when it is time to look. */
const never = 3_600_000;

/** Webhooks of a world whose receivers are on loopback, with processes that send when they are told to. */
export class WebhookWorld {
  readonly webhooks: Webhooks;
  readonly metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  readonly #world: World;
  readonly #guard = createGuard({ networks: ["127.0.0.1"] });
  readonly #lines: string[] = [];
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(world: World) {
    this.#world = world;
    const { db, dataKeys } = world.custody;
    this.webhooks = { db, dataKeys, guard: this.#guard };
  }

  /** Everything that was logged. */
  log(): string {
    return this.#lines.join("");
  }

  async receiver(answer?: Receiver["answer"]): Promise<Receiver> {
    const receiver = await Receiver.start();
    if (answer !== undefined) receiver.answer = answer;
    this.#ends.push(() => receiver.close());
    return receiver;
  }

  async webhook(
    member: Member,
    receiver: Receiver,
    input: Partial<WebhookInput> = {},
  ): Promise<Readonly<{ webhook: Webhook; secret: string }>> {
    const { secret, ...webhook } = await createWebhook(this.webhooks, member, {
      url: receiver.url,
      ...input,
    });
    return { webhook, secret };
  }

  /** A process of its own, as far as the database can tell. Nothing is sent unless somebody drains it. */
  sender(options: DeliveriesOptions = {}, webhooks: Webhooks = this.webhooks): Deliveries {
    const log = createLog("debug", { write: (line: string) => void this.#lines.push(line) });
    const needs = { webhooks, log, metrics: this.metrics };
    const deliveries = new Deliveries(needs, { everyMs: never, ...options });
    this.#ends.push(() => deliveries.stop());
    return deliveries;
  }

  /** Makes everything due that waits, whatever the schedule says, and ends pauses and leases. */
  async hurry(): Promise<void> {
    const { owner } = this.#world.database;
    await sql`update webhook_deliveries set due_at = now(), leased_until = null where state = 'pending'`.execute(
      owner,
    );
    await sql`update webhook_endpoints set paused_until = now() where paused_until is not null`.execute(
      owner,
    );
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).toReversed()) await end();
    await this.#guard.close();
  }
}

export const fails: Receiver["answer"] = (_, response) => void response.writeHead(500).end();

/** Queues what the record still has to tell, as every look at the outbox does, and takes nothing. */
export async function queueAll({ db }: Pick<Webhooks, "db">): Promise<void> {
  await sql`select from webhooks.claim(0, 0, interval '0')`.execute(db);
}

/** All of the member's tenant, in the order in which they came about. */
export async function deliveriesOf(webhooks: Webhooks, member: Member): Promise<readonly Delivery[]> {
  await queueAll(webhooks);
  const { items } = await listDeliveries(webhooks, member, {}, { limit: 200, after: null });
  return items.toReversed();
}

/** Changes something about a tenant that its webhooks tell: it says that an account was frozen, and
 * that is queued. Answers how often. */
export async function happen(db: Db, member: Member, accountId: string, times = 1): Promise<number> {
  for (let n = 0; n < times; n += 1) {
    await change(db, member, () =>
      Promise.resolve({
        value: {},
        events: [{ event: "account.frozen", detail: { account_id: accountId, reason: null } }],
      }),
    );
  }
  await queueAll({ db });
  return times;
}
