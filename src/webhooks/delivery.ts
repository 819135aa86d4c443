import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { changeFound } from "../audit/change-locked.ts";
import type { Answered } from "../audit/change.ts";
import { refuseMiss } from "../audit/refusals.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { testEvent } from "./events.ts";
import { changeWebhook, endPause, type Webhooks } from "./webhook.ts";

/** A message that is to be sent to one webhook, or was. */
export type Delivery = Readonly<ReturnType<typeof toDelivery>>;

/** Deliveries as they are shown, with the outcome of the last attempt at each. */
function selectDeliveries(tx: TenantTx) {
  return tx
    .selectFrom("webhook_deliveries as d")
    .select(["d.id", "d.endpoint_id", "d.message_id", "d.event", "d.state", "d.attempts"])
    .select(["d.due_at", "d.settled_at", "d.created_at"])
    .select((eb) =>
      eb
        .selectFrom("webhook_attempts as a")
        .select("a.outcome")
        .whereRef("a.tenant_id", "=", "d.tenant_id")
        .whereRef("a.delivery_id", "=", "d.id")
        .orderBy("a.number", "desc")
        .limit(1)
        .as("outcome"),
    );
}

type Row = Pick<
  Selectable<Database["webhook_deliveries"]>,
  | "id"
  | "endpoint_id"
  | "message_id"
  | "event"
  | "state"
  | "attempts"
  | "due_at"
  | "settled_at"
  | "created_at"
> &
  Readonly<{ outcome: string | null }>;

function toDelivery(row: Row) {
  return {
    id: row.id,
    endpoint_id: row.endpoint_id,
    message_id: messageIdOf(row.message_id),
    event: row.event,
    state: row.state,
    attempts: row.attempts,
    outcome: row.outcome,
    due_at: row.due_at?.toISOString() ?? null,
    settled_at: row.settled_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}

/** As Standard Webhooks writes ids. */
export function messageIdOf(id: string): string {
  return `msg_${id.replaceAll("-", "")}`;
}

/** Deliveries of every state, newest first. */
export async function listDeliveries(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  { webhookId, state }: Readonly<{ webhookId?: string; state?: Delivery["state"] }>,
  page: PageRequest,
): Promise<Page<Delivery>> {
  assertScope(principal, "webhooks:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    selectDeliveries(tx)
      .$if(webhookId !== undefined, (query) => query.where("d.endpoint_id", "=", webhookId ?? ""))
      .$if(state !== undefined, (query) => query.where("d.state", "=", state ?? "pending"))
      .where(beyond(page))
      .orderBy("d.created_at", "desc")
      .orderBy("d.id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toDelivery);
}

/** A delivery with its body and every attempt at it. Throws `not_found`. */
export async function showDelivery({ db }: Pick<Webhooks, "db">, principal: Principal, id: string) {
  assertScope(principal, "webhooks:read");
  const found = await readTenant(db, scopeOf(principal), async (tx) => {
    const row = await selectDeliveries(tx).select("d.payload").where("d.id", "=", id).executeTakeFirst();
    return row === undefined ? null : { row, log: await attemptsOf(tx, id) };
  });
  if (found === null) return refuseMiss(db, principal, { kind: "webhook_delivery", id, action: "show" });
  return { ...toDelivery(found.row), payload: found.row.payload, log: found.log };
}

/** Oldest first. Of the answers of the receiver only the status is kept. */
async function attemptsOf(tx: TenantTx, deliveryId: string) {
  const rows = await tx
    .selectFrom("webhook_attempts")
    .select(["number", "at", "outcome", "status", "milliseconds"])
    .where("delivery_id", "=", deliveryId)
    .orderBy("number")
    .execute();
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

/**
 * Sends a message again, whatever its state, with the same id and a new schedule. Throws `not_found`, and
 * `illegal_state` if its webhook is disabled.
 */
export async function replayDelivery(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Delivery>> {
  assertScope(principal, "webhooks:write");
  return changeFound(db, principal, { kind: "webhook_delivery", id, action: "replay" }, async (tx) => {
    const webhook = await webhookOf(tx, id);
    if (webhook === undefined) return null;
    if (webhook.status !== "active") throw switchedOff();
    await requeue(tx, id);
    await endPause(tx, webhook.id);
    const row = await selectDeliveries(tx).where("d.id", "=", id).executeTakeFirstOrThrow();
    const detail = { endpoint_id: webhook.id, delivery_id: id };
    return { value: toDelivery(row), events: [{ event: "webhook.replayed", detail }] };
  });
}

async function webhookOf(tx: TenantTx, deliveryId: string) {
  return tx
    .selectFrom("webhook_deliveries as d")
    .innerJoin("webhook_endpoints as e", (join) =>
      join.onRef("e.tenant_id", "=", "d.tenant_id").onRef("e.id", "=", "d.endpoint_id"),
    )
    .select(["e.id", "e.status"])
    .where("d.id", "=", deliveryId)
    .where("e.deleted_at", "is", null)
    .executeTakeFirst();
}

function switchedOff(): KeyholdError {
  return new KeyholdError("illegal_state", "The webhook is disabled. Enable it first.");
}

/**
 * An attempt that is under way keeps its lease. Its outcome is recorded, and settles the delivery if it
 * succeeded.
 */
async function requeue(tx: TenantTx, id: string): Promise<void> {
  await tx
    .updateTable("webhook_deliveries")
    .set({
      state: "pending",
      tries: 0,
      due_at: sql`now()`,
      settled_at: null,
      forget_at: sql`now() + interval '90 days'`,
    })
    .where("id", "=", id)
    .execute();
}

/** Queues a test message. Throws `not_found`, and `illegal_state` if the webhook is disabled. */
export async function testWebhook(
  webhooks: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Delivery>> {
  assertScope(principal, "webhooks:write");
  return changeWebhook(webhooks.db, principal, { id, action: "test" }, async (tx, { status }) => {
    if (status !== "active") throw switchedOff();
    await endPause(tx, id);
    const delivery = await queueTest(tx, principal.tenantId, id);
    const detail = { endpoint_id: id, delivery_id: delivery.id };
    return { value: delivery, events: [{ event: "webhook.tested", detail }] };
  });
}

async function queueTest(tx: TenantTx, tenantId: string, webhookId: string): Promise<Delivery> {
  const payload = {
    type: testEvent,
    timestamp: new Date().toISOString(),
    data: { tenant_id: tenantId, endpoint_id: webhookId },
  };
  const id = randomUUID();
  await tx
    .insertInto("webhook_deliveries")
    .values({
      tenant_id: tenantId,
      id,
      endpoint_id: webhookId,
      message_id: randomUUID(),
      event: testEvent,
      payload: JSON.stringify(payload),
    })
    .execute();
  return toDelivery(await selectDeliveries(tx).where("d.id", "=", id).executeTakeFirstOrThrow());
}
