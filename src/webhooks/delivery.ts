import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { type Answered, change } from "../audit/change.ts";
import { refuseMiss } from "../audit/misses.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { testEvent } from "./events.ts";
import { changeEndpoint, endPause, type Webhooks } from "./webhook.ts";

/** A message on its way to one endpoint, or what became of it. */
export type Delivery = Readonly<{
  id: string;
  endpoint_id: string;
  /** The `webhook-id` that the receiver sees: the same at every attempt, and when it is replayed. */
  message_id: string;
  event: string;
  state: "pending" | "delivered" | "dead";
  attempts: number;
  /** What came of the last attempt; `null` before the first. */
  outcome: string | null;
  due_at: string | null;
  settled_at: string | null;
  created_at: string;
}>;

type DeliveryState = Delivery["state"];

/** An attempt to send it. Nothing of what the receiver answered is kept but its status. */
type Attempt = Readonly<{
  number: number;
  at: string;
  outcome: string;
  status: number | null;
  milliseconds: number;
}>;

/** Deliveries as they are shown, and what came of the last attempt at each. */
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

function toDelivery(row: Row): Delivery {
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

type DeliveryFilter = Readonly<{ endpointId?: string; state?: DeliveryState }>;

/** What was sent, waits to be sent or was given up, newest first. */
export async function listDeliveries(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  { endpointId, state }: DeliveryFilter,
  page: PageRequest,
): Promise<Page<Delivery>> {
  assertScope(principal, "webhooks:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    selectDeliveries(tx)
      .$if(endpointId !== undefined, (query) => query.where("d.endpoint_id", "=", endpointId ?? ""))
      .$if(state !== undefined, (query) => query.where("d.state", "=", state ?? "pending"))
      .where(beyond(page))
      .orderBy("d.created_at", "desc")
      .orderBy("d.id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toDelivery);
}

type DeliveryWithLog = Delivery &
  Readonly<{
    /** The body, as it is sent. */
    payload: string;
    /** Oldest first. */
    log: readonly Attempt[];
  }>;

/** A delivery with its body and every attempt at it. Throws `not_found`. */
export async function showDelivery(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<DeliveryWithLog> {
  assertScope(principal, "webhooks:read");
  const found = await readTenant(db, scopeOf(principal), async (tx) => {
    const row = await selectDeliveries(tx).select("d.payload").where("d.id", "=", id).executeTakeFirst();
    return row === undefined ? null : { row, log: await attemptsOf(tx, id) };
  });
  if (found === null) return refuseMiss(db, principal, { kind: "webhook_delivery", id, action: "show" });
  return { ...toDelivery(found.row), payload: found.row.payload, log: found.log };
}

async function attemptsOf(tx: TenantTx, deliveryId: string): Promise<readonly Attempt[]> {
  const rows = await tx
    .selectFrom("webhook_attempts")
    .select(["number", "at", "outcome", "status", "milliseconds"])
    .where("delivery_id", "=", deliveryId)
    .orderBy("number")
    .execute();
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}

/**
 * Sends a message again, whatever came of it, with the same id and a schedule of its own. Throws `not_found`, and `illegal_state`
 * when its endpoint is switched off.
 */
export async function replayDelivery(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Delivery>> {
  assertScope(principal, "webhooks:write");
  try {
    return await change(db, principal, async (tx) => {
      const endpointId = await assertActive(tx, id);
      await requeue(tx, id);
      await endPause(tx, endpointId);
      const row = await selectDeliveries(tx).where("d.id", "=", id).executeTakeFirstOrThrow();
      const detail = { endpoint_id: endpointId, delivery_id: id };
      return { value: toDelivery(row), events: [{ event: "webhook.replayed", detail }] };
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, { kind: "webhook_delivery", id, action: "replay" });
  }
}

async function assertActive(tx: TenantTx, id: string): Promise<string> {
  const row = await tx
    .selectFrom("webhook_deliveries as d")
    .innerJoin("webhook_endpoints as e", (join) =>
      join.onRef("e.tenant_id", "=", "d.tenant_id").onRef("e.id", "=", "d.endpoint_id"),
    )
    .select(["e.id", "e.status"])
    .where("d.id", "=", id)
    .where("e.deleted_at", "is", null)
    .executeTakeFirst();
  if (row === undefined) throw new Missing();
  if (row.status === "active") return row.id;
  throw switchedOff();
}

function switchedOff(): KeyholdError {
  return new KeyholdError("illegal_state", "The webhook is switched off. Switch it on first.");
}

/** What is being sent this moment keeps its lease: what comes of that attempt is noted, and settles it if it succeeds. */
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

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}

/**
 * Queues a message that tells nothing, to see whether it arrives. Throws `not_found`, and `illegal_state` when the endpoint is
 * switched off.
 */
export async function testEndpoint(
  webhooks: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Delivery>> {
  assertScope(principal, "webhooks:write");
  return changeEndpoint(webhooks, principal, { id, action: "test" }, async (tx, { status }) => {
    if (status !== "active") throw switchedOff();
    await endPause(tx, id);
    const delivery = await queueTest(tx, principal.tenantId, id);
    const detail = { endpoint_id: id, delivery_id: delivery.id };
    return { value: delivery, events: [{ event: "webhook.tested", detail }] };
  });
}

async function queueTest(tx: TenantTx, tenantId: string, endpointId: string): Promise<Delivery> {
  const payload = {
    type: testEvent,
    timestamp: new Date().toISOString(),
    data: { tenant_id: tenantId, endpoint_id: endpointId },
  };
  const id = randomUUID();
  await tx
    .insertInto("webhook_deliveries")
    .values({
      tenant_id: tenantId,
      id,
      endpoint_id: endpointId,
      message_id: randomUUID(),
      event: testEvent,
      payload: JSON.stringify(payload),
    })
    .execute();
  return toDelivery(await selectDeliveries(tx).where("d.id", "=", id).executeTakeFirstOrThrow());
}
