import type { Operator, Principal } from "../access/principal.ts";

/**
 * All events of the record: name → its details beside actor, time and origin. They are ids, states and
 * outcomes, never a secret. Names and the meaning of fields are part of the API: new ones are added, and none
 * is reused.
 */
export interface EventDetails {
  "tenant.created": { name: string };
  "tenant.updated": { changed: readonly string[] };
  "tenant.suspended": object;
  "tenant.resumed": object;
  "tenant.frozen": { reason: string | null; rank?: string };
  "tenant.unfrozen": object;
  /** One of several freezes; the freeze ends when the last one is lifted. */
  "freeze.lifted": { freeze_id: string; rank: string; credential_id?: string; account_id?: string };
  "tenant.deleted": object;
  "tenant.erased": object;
  "member.added": { member_id: string; role: string };
  "member.updated": { member_id: string; changed: readonly string[] };
  "account.created": { account_id: string; owner_id: string };
  "account.updated": { account_id: string; changed: readonly string[] };
  "account.frozen": { account_id: string; reason: string | null; rank?: string };
  "account.unfrozen": { account_id: string };
  "account.deleted": { account_id: string; credentials: number };
  "account.erased": { account_id: string };
  "api_key.created": { api_key_id: string; member_id: string; scopes: readonly string[] };
  "api_key.revoked": { api_key_id: string };
  "data_key.rotated": { data_key_id: string; successor_id: string };
  "data_key.rewrapped": { data_key_id: string; kek_id: string };
  "data_key.destroyed": { data_key_id: string };
  "credential.registered": {
    credential_id: string;
    account_id: string;
    venue: string;
    environment: string;
    label: string;
    status: string;
    version: number;
  };
  /** A secret that was checked and not stored: only the outcome. */
  "credential.checked": { venue: string; environment: string; outcome: string };
  "credential.refused_at_register": {
    venue: string;
    environment: string;
    account_id: string;
    reason: string;
  };
  "credential.validated": { credential_id: string; outcome: string; status: string };
  /** Ended by two refusals of the venue a minute apart, or by one that lasted. */
  "credential.invalidated": { credential_id: string; reason: string };
  /**
   * Still usable, but the venue has refused it for the first time, or the venue or the policy of the tenant
   * has an objection.
   */
  "credential.degraded": { credential_id: string; reason: string };
  "credential.recovered": { credential_id: string };
  /** The venue reports other permissions or addresses than before. */
  "credential.permissions_changed": { credential_id: string; changed: readonly string[] };
  /** The venue reports other facts of the account, or another expiry, than before. */
  "credential.account_changed": { credential_id: string; changed: readonly string[] };
  /** `estimated` when the venue does not report the date and it follows from a rule of the venue. */
  "credential.expiring": { credential_id: string; days: number; expires_at: string; estimated: boolean };
  "credential.rotation_started": Rotation;
  "credential.rotation_finished": Rotation;
  "credential.rotation_rolled_back": Rotation;
  "credential.rotation_scheduled": { credential_id: string; parent_id: string | null; every_days: number };
  "credential.rotation_unscheduled": { credential_id: string };
  /** Its owner should rotate it, because Keyhold cannot. */
  "credential.rotation_due": { credential_id: string; every_days: number };
  /** Before a key is created at the venue. It will have this note, by which it can be found there. */
  "credential.key_requested": { credential_id: string; parent_id: string; note: string };
  "credential.key_created": { credential_id: string; note: string };
  "credential.key_deleted": { credential_id: string; version: number };
  /** The key that should replace the old one was removed at the venue on request. */
  "credential.key_withdrawn": { credential_id: string; note: string; reason: string };
  /** The overlap is over, but the old key may still be needed. */
  "credential.rotation_waiting": { credential_id: string; rotation_id: string };
  /** `note` is on the key that should replace the old one. */
  "credential.rotation_failed": { credential_id: string; stage: string; reason: string; note: string };
  "credential.updated": { credential_id: string; changed: readonly string[] };
  "credential.secret_replaced": { credential_id: string; version: number };
  "credential.replacement_refused": { credential_id: string; reason: string };
  "credential.rotation_refused": { credential_id: string; reason: string };
  "credential.frozen": { credential_id: string; reason: string | null; rank?: string };
  "credential.unfrozen": { credential_id: string };
  "credential.expired": { credential_id: string };
  "credential.revoked": { credential_id: string };
  "credential.deleted": { credential_id: string };
  /** The same secret under a new version, because the data key of the tenant or the store has changed. */
  "credential.resealed": { credential_id: string; version: number; store: string };
  "credential.version_destroyed": { credential_id: string; version: number };
  "credential.used": {
    credential_id: string;
    purpose: string;
    operation?: string;
    /** For a parent key: the credential whose keys it manages. */
    for_credential_id?: string;
    version?: number;
  };
  /**
   * For uses and reveals `version` is the opened version; the record adds it when the request does not name
   * it.
   */
  "credential.revealed": { credential_id: string; reason: string; version?: number };
  "credential.invoke_finished": {
    credential_id: string;
    operation: string;
    outcome: string;
    client_order_id: string | null;
  };
  /** A use or reveal that the record refused; `outcome` is the reason. */
  "credential.refused": { credential_id: string };
  "webhook.created": { endpoint_id: string };
  "webhook.updated": { endpoint_id: string; changed: readonly string[] };
  "webhook.deleted": { endpoint_id: string };
  /** By the service itself, with the reason. */
  "webhook.disabled": { endpoint_id: string; reason: string };
  "webhook.secret_rotated": { endpoint_id: string; number: number };
  "webhook.tested": { endpoint_id: string; delivery_id: string };
  "webhook.replayed": { endpoint_id: string; delivery_id: string };
  /** Rights in the database are not those that were signed, so nothing was opened. `kind` is their table. */
  "rights.unproven": { kind: string; id: string; reason: string };
  /** Rights from a version without signatures were signed, once. */
  "rights.signed": { count: number };
  /** The caller may not see or change what it asked for. */
  "access.refused": {
    kind: string;
    id: string;
    action: string;
    credential_id?: string;
    required_scope?: string;
  };
}

type Rotation = { credential_id: string; rotation_id: string; from_version: number; to_version: number };

export type EventName = keyof EventDetails;

/** The names as values, for searches. A missing or an additional name does not compile. */
const named: Readonly<Record<EventName, true>> = {
  "tenant.created": true,
  "tenant.updated": true,
  "tenant.suspended": true,
  "tenant.resumed": true,
  "tenant.frozen": true,
  "tenant.unfrozen": true,
  "freeze.lifted": true,
  "tenant.deleted": true,
  "tenant.erased": true,
  "member.added": true,
  "member.updated": true,
  "account.created": true,
  "account.updated": true,
  "account.frozen": true,
  "account.unfrozen": true,
  "account.deleted": true,
  "account.erased": true,
  "api_key.created": true,
  "api_key.revoked": true,
  "data_key.rotated": true,
  "data_key.rewrapped": true,
  "data_key.destroyed": true,
  "credential.registered": true,
  "credential.checked": true,
  "credential.refused_at_register": true,
  "credential.validated": true,
  "credential.invalidated": true,
  "credential.degraded": true,
  "credential.recovered": true,
  "credential.permissions_changed": true,
  "credential.account_changed": true,
  "credential.expiring": true,
  "credential.rotation_started": true,
  "credential.rotation_finished": true,
  "credential.rotation_rolled_back": true,
  "credential.rotation_scheduled": true,
  "credential.rotation_unscheduled": true,
  "credential.rotation_due": true,
  "credential.key_requested": true,
  "credential.key_created": true,
  "credential.key_deleted": true,
  "credential.key_withdrawn": true,
  "credential.rotation_waiting": true,
  "credential.rotation_failed": true,
  "credential.updated": true,
  "credential.secret_replaced": true,
  "credential.replacement_refused": true,
  "credential.rotation_refused": true,
  "credential.frozen": true,
  "credential.unfrozen": true,
  "credential.expired": true,
  "credential.revoked": true,
  "credential.deleted": true,
  "credential.resealed": true,
  "credential.version_destroyed": true,
  "credential.used": true,
  "credential.revealed": true,
  "credential.invoke_finished": true,
  "credential.refused": true,
  "webhook.created": true,
  "webhook.updated": true,
  "webhook.deleted": true,
  "webhook.disabled": true,
  "webhook.secret_rotated": true,
  "webhook.tested": true,
  "webhook.replayed": true,
  "rights.unproven": true,
  "rights.signed": true,
  "access.refused": true,
};
export const eventNames: readonly string[] = Object.keys(named);

export function isEventName(name: string): name is EventName {
  return Object.hasOwn(named, name);
}

/** What happened: an event of the table with the details it demands. */
export type AuditEvent = {
  [Name in EventName]: Readonly<{ event: Name; detail: EventDetails[Name]; outcome?: string }>;
}[EventName];

/** The actor and its origin, apart from the details, so that neither hides the other. */
function describeActor(actor: Principal | Operator): object {
  const { address, requestId } = actor.origin;
  const origin = {
    ...(address === null ? {} : { address }),
    ...(requestId === null ? {} : { request_id: requestId }),
  };
  switch (actor.kind) {
    case "member":
      return {
        kind: actor.agent ? "agent" : "member",
        member_id: actor.memberId,
        ...(actor.apiKeyId === null ? {} : { api_key_id: actor.apiKeyId }),
        ...origin,
      };
    case "system":
      return { kind: "system", task: actor.task };
    case "operator":
      return { kind: "operator", issuer: actor.issuer, subject: actor.subject, ...origin };
  }
}

/**
 * NUL and halves of surrogate pairs in JSON, which PostgreSQL refuses, and characters that readers treat as
 * the end of a line.
 */
const unreadable = /\\u(?:0000|d[89a-f])|[\u2028\u2029]/;

/**
 * The `detail` of an event as one line of JSON. A text of the caller, such as a reason, may contain anything;
 * characters that would make the record unreadable become U+FFFD.
 */
export function describeEvent(actor: Principal | Operator, detail: object): string {
  const whole = { actor: describeActor(actor), ...detail };
  const line = JSON.stringify(whole);
  return unreadable.test(line) ? JSON.stringify(whole, readable) : line;
}

function readable(_key: string, value: unknown): unknown {
  return typeof value === "string" ? readableText(value) : value;
}

/** A text of the caller, with U+FFFD for characters that PostgreSQL or a reader of lines does not accept. */
export function readableText(text: string): string {
  return text.toWellFormed().replaceAll(/[\0\u2028\u2029]/g, "\uFFFD");
}
