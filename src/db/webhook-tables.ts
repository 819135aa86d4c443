import type { ColumnType, Generated } from "kysely";
import type { Time, TimeOrNull } from "./columns.ts";

export interface WebhookEndpointsTable {
  tenant_id: string;
  id: string;
  url: string;
  description: Generated<string>;
  events: Generated<string[]>;
  status: Generated<"active" | "disabled">;
  disabled_reason: ColumnType<DisabledReason | null, undefined, DisabledReason | null>;
  secret_number: Generated<number>;
  previous_until: TimeOrNull;
  failures: Generated<number>;
  failing_since: TimeOrNull;
  paused_until: TimeOrNull;
  deleted_at: TimeOrNull;
  revision: Generated<number>;
  created_at: Time;
  updated_at: Time;
}

/** Switched off by a member, because the receiver said that it is gone, or because it has failed for days. */
export type DisabledReason = "member" | "gone" | "failing";

export interface WebhookDeliveriesTable {
  tenant_id: string;
  id: Generated<string>;
  endpoint_id: string;
  message_id: string;
  event: string;
  payload: string;
  state: Generated<"pending" | "delivered" | "dead">;
  attempts: Generated<number>;
  tries: Generated<number>;
  due_at: TimeOrNull;
  leased_until: TimeOrNull;
  settled_at: TimeOrNull;
  forget_at: Time;
  created_at: Time;
}

export interface WebhookAttemptsTable {
  tenant_id: string;
  delivery_id: string;
  number: number;
  at: Time;
  outcome: string;
  status: number | null;
  milliseconds: number;
}
