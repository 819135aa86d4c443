import type { Selectable } from "kysely";
import type { Database } from "../db/schema.ts";
import type { TenantTx } from "../db/tenant.ts";

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

export type DeliveryState = Delivery["state"];

/** An attempt to send it. Nothing of what the receiver answered is kept but its status. */
export type Attempt = Readonly<{
  number: number;
  at: string;
  outcome: string;
  status: number | null;
  milliseconds: number;
}>;

/** Deliveries as they are shown, and what came of the last attempt at each. */
export function selectDeliveries(tx: TenantTx) {
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

export function toDelivery(row: Row): Delivery {
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
