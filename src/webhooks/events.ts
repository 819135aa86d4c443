import type { EventDetails, EventName } from "../audit/events.ts";

/**
 * The events that webhooks receive, and the fields of their detail that are sent, besides tenant, credential,
 * venue and environment. They contain only words, numbers and ids of Keyhold: text that a member wrote stays
 * in the record. The table `webhook_events` of the database, from which messages are queued, has the same
 * content.
 */
export const tellable = {
  "credential.registered": [],
  "credential.updated": ["changed"],
  "credential.secret_replaced": ["version"],
  "credential.invalidated": ["reason"],
  "credential.degraded": ["reason"],
  "credential.recovered": [],
  "credential.expiring": ["days", "expires_at", "estimated"],
  "credential.expired": [],
  "credential.permissions_changed": ["changed"],
  "credential.account_changed": ["changed"],
  "credential.rotation_started": ["rotation_id", "from_version", "to_version"],
  "credential.rotation_finished": ["rotation_id", "from_version", "to_version"],
  "credential.rotation_rolled_back": ["rotation_id", "from_version", "to_version"],
  "credential.rotation_refused": ["reason"],
  "credential.rotation_due": ["every_days"],
  "credential.rotation_waiting": ["rotation_id"],
  "credential.rotation_failed": ["stage", "reason"],
  "credential.frozen": [],
  "credential.unfrozen": [],
  "credential.revoked": [],
  "credential.deleted": [],
  "account.frozen": ["account_id"],
  "account.unfrozen": ["account_id"],
  "account.deleted": ["account_id"],
  "tenant.frozen": [],
  "tenant.unfrozen": [],
  "tenant.suspended": [],
  "tenant.resumed": [],
  "webhook.disabled": ["endpoint_id", "reason"],
} as const satisfies { readonly [Name in EventName]?: readonly (keyof EventDetails[Name] & string)[] };
export type TellableEvent = keyof typeof tellable;

export const tellableEvents: readonly TellableEvent[] = Object.keys(tellable).filter(isTellable);

function isTellable(name: string): name is TellableEvent {
  return name in tellable;
}

/** The event of a test message, which a webhook receives whatever its list of events. */
export const testEvent = "webhook.test";
