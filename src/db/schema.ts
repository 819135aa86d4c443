// Written by `npm run schema` from the migrations; schema-types.ts has what no catalogue knows.
import type { ColumnType, Generated, JSONColumnType } from "kysely";
import type { StoreName } from "../config/stores.ts";
import type { RecordColumn } from "../crypto/column.ts";
import type {
  StoredAccountFacts,
  StoredActor,
  StoredLimits,
  StoredPermissions,
  TenantPolicy,
} from "./stored-json.ts";

/** The database alone writes it, or the service's role may not. */
type ReadOnly<T> = ColumnType<T, never, never>;
type WriteOnce<T> = ColumnType<T, T, never>;

/** The tables that the service's role reaches, as Kysely sees them. */
export interface Database {
  accounts: {
    tenant_id: string;
    id: string;
    owner_id: string;
    name: string;
    active: Generated<boolean>;
    frozen_at: Date | null;
    deleted_at: Date | null;
    revision: Generated<number>;
    created_at: Generated<Date>;
    updated_at: Generated<Date>;
    switched_off_rank: "trader" | "admin" | "owner" | null;
    grant_number: ReadOnly<number>;
    grant_mac: ReadOnly<Uint8Array | null>;
  };
  api_keys: {
    tenant_id: string;
    id: string;
    member_id: string;
    name: string;
    prefix: string;
    hash: Uint8Array;
    scopes: string[];
    agent: Generated<boolean>;
    expires_at: Generated<Date>;
    revoked_at: Date | null;
    created_at: Generated<Date>;
    makers: Generated<string[]>;
    credentials: WriteOnce<string[] | null>;
    accounts: WriteOnce<string[] | null>;
    networks: WriteOnce<string[] | null>;
    made_without_end: Generated<boolean>;
    grant_number: ReadOnly<number>;
    grant_mac: ReadOnly<Uint8Array | null>;
    last_used_at: Date | null;
  };
  credential_versions: {
    tenant_id: string;
    credential_id: string;
    version: number;
    store: StoreName;
    data_key_id: string | null;
    state: "current" | "retired" | "destroyed";
    key_since: Generated<Date>;
    created_at: Generated<Date>;
    destroyed_at: Date | null;
  };
  credentials: {
    tenant_id: string;
    id: string;
    account_id: string;
    owner_id: string;
    venue: string;
    environment: "live" | "paper" | "testnet";
    label: Generated<string>;
    status: "pending" | "active" | "inactive" | "invalid" | "expired" | "revoked";
    permissions: ColumnType<StoredPermissions | null, string | null, string | null>;
    account_facts: JSONColumnType<StoredAccountFacts>;
    allow: Generated<("read" | "trade" | "transfer" | "withdraw")[]>;
    reveal: Generated<boolean>;
    store: StoreName;
    version: Generated<number>;
    last_version: Generated<number>;
    frozen_at: Date | null;
    owner_expires_at: Date | null;
    venue_expires_at: Date | null;
    expires_at: ReadOnly<Date | null>;
    estimated_expires_at: Date | null;
    unused_days: number | null;
    health: Generated<"unknown" | "healthy" | "degraded" | "unhealthy">;
    health_message: string | null;
    last_validated_at: Date | null;
    rejected_at: Date | null;
    next_check_at: Generated<Date>;
    check_attempts: Generated<number>;
    check_leased_until: ColumnType<Date | null, never, Date | null>;
    warned_days: number | null;
    deleted_at: Date | null;
    revision: Generated<number>;
    created_at: Generated<Date>;
    updated_at: Generated<Date>;
    switched_off_rank: "trader" | "admin" | "owner" | null;
    grant_number: ReadOnly<number>;
    grant_mac: ReadOnly<Uint8Array | null>;
    openable: ReadOnly<readonly string[]>;
    refused_since: Date | null;
    refused_as: "rejected" | "ambiguous" | "ip_not_allowed" | null;
    held_at: Date | null;
  };
  data_keys: {
    tenant_id: string;
    id: string;
    use: "seal" | "mac";
    kek_id: string;
    wrapped: Uint8Array;
    state: Generated<"active" | "retired">;
    operations: Generated<number>;
    created_at: Generated<Date>;
    retired_at: Date | null;
  };
  freezes: {
    tenant_id: WriteOnce<string>;
    id: ColumnType<string, string | undefined, never>;
    account_id: WriteOnce<string | null>;
    credential_id: WriteOnce<string | null>;
    rank: WriteOnce<"trader" | "admin" | "owner" | "operator">;
    actor: ColumnType<StoredActor | null, string | null | undefined, never>;
    reason: WriteOnce<string | null>;
    frozen_at: ColumnType<Date, Date | undefined, never>;
  };
  health_checks: {
    tenant_id: string;
    id: string;
    credential_id: string;
    venue: string;
    environment: Database["credentials"]["environment"];
    purpose: "register" | "validate" | "health" | "rotate";
    outcome: string;
    status: string;
    health: string;
    checked_at: Generated<Date>;
  };
  idempotency_keys: {
    tenant_id: string;
    principal: string;
    route: string;
    key: string;
    request_mac: Uint8Array;
    state: Generated<"running" | "done">;
    status: number | null;
    body: ColumnType<object | null, string | null | undefined, string | null>;
    created_at: Generated<Date>;
  };
  installation: {
    singleton: ColumnType<boolean, boolean | undefined, never>;
    kek_id: WriteOnce<string>;
    created_at: ColumnType<Date, Date | undefined, never>;
  };
  intents: {
    tenant_id: string;
    id: string;
    kind: "register" | "replace" | "rotate" | "reseal" | "destroy";
    credential_id: string;
    version: number;
    store: StoreName;
    venue: string;
    environment: Database["credentials"]["environment"];
    created_at: Generated<Date>;
  };
  invocations: {
    tenant_id: string;
    id: string;
    credential_id: string;
    principal: string;
    key: string;
    operation: string;
    request_mac: Uint8Array;
    client_order_id: string | null;
    symbol: string | null;
    state: Generated<"sending" | "done" | "refused" | "unknown">;
    result: ColumnType<object | null, string | null | undefined, string | null>;
    message: string | null;
    created_at: Generated<Date>;
    updated_at: Generated<Date>;
  };
  members: {
    tenant_id: string;
    id: string;
    issuer: string;
    subject: string;
    role: "owner" | "admin" | "trader" | "viewer" | "auditor";
    status: Generated<"active" | "suspended">;
    revision: Generated<number>;
    created_at: Generated<Date>;
    updated_at: Generated<Date>;
    suspended_rank: "trader" | "admin" | "owner" | null;
    grant_number: ReadOnly<number>;
    grant_mac: ReadOnly<Uint8Array | null>;
  };
  operator_keys: {
    id: string;
    name: string;
    prefix: string;
    hash: Uint8Array;
    made_by: string;
    created_at: Generated<Date>;
    expires_at: Date;
    revoked_at: Date | null;
  };
  rate_limits: {
    key: string;
    points: Generated<number>;
    expire: number | null;
  };
  rotation_schedules: {
    tenant_id: string;
    credential_id: string;
    parent_id: string | null;
    every_days: number;
    next_at: Date;
    failures: Generated<number>;
    last_failure: string | null;
    last_failure_message: string | null;
    last_failed_at: Date | null;
    created_at: Generated<Date>;
  };
  rotations: {
    tenant_id: string;
    id: string;
    credential_id: string;
    from_version: number;
    to_version: number;
    state: "overlap" | "finished" | "rolled_back";
    overlap_until: Date;
    fallbacks: Generated<number>;
    last_fallback_at: Date | null;
    started_at: Generated<Date>;
    ended_at: Date | null;
  };
  sealed_secrets: {
    tenant_id: string;
    credential_id: string;
    version: number;
    sealed: RecordColumn;
    created_at: Generated<Date>;
  };
  tenants: {
    id: string;
    name: string;
    status: Generated<"active" | "suspended" | "deleted">;
    frozen_at: Date | null;
    policy: JSONColumnType<TenantPolicy, string | undefined>;
    limits: JSONColumnType<StoredLimits, string | undefined>;
    revision: Generated<number>;
    created_at: Generated<Date>;
    updated_at: Generated<Date>;
    grant_number: ReadOnly<number>;
    grant_mac: ReadOnly<Uint8Array | null>;
  };
  turns: {
    key: Uint8Array;
    holder: string;
    leased_until: Date;
    wanted: Generated<boolean>;
  };
  venue_refusals: {
    venue: string;
    environment: string;
    asked_at: Generated<Date>;
    form: string | null;
  };
  venue_rotations: {
    tenant_id: string;
    id: string;
    credential_id: string;
    parent_id: string;
    stage: "creating" | "overlap" | "withdrawing";
    rotation_id: string | null;
    reason: string | null;
    due_at: Generated<Date>;
    attempts: Generated<number>;
    started_at: Generated<Date>;
  };
  webhook_attempts: {
    tenant_id: string;
    delivery_id: string;
    number: number;
    at: Generated<Date>;
    outcome: string;
    status: number | null;
    milliseconds: number;
  };
  webhook_deliveries: {
    tenant_id: string;
    id: Generated<string>;
    endpoint_id: string;
    message_id: string;
    event: string;
    payload: string;
    state: Generated<"pending" | "delivered" | "dead">;
    attempts: Generated<number>;
    tries: Generated<number>;
    due_at: Generated<Date | null>;
    leased_until: Date | null;
    settled_at: Date | null;
    forget_at: Generated<Date>;
    created_at: Generated<Date>;
  };
  webhook_endpoints: {
    tenant_id: string;
    id: string;
    url: string;
    description: Generated<string>;
    events: Generated<string[]>;
    status: Generated<"active" | "disabled">;
    disabled_reason: "member" | "gone" | "failing" | null;
    secret_number: Generated<number>;
    previous_until: Date | null;
    failures: Generated<number>;
    failing_since: Date | null;
    paused_until: Date | null;
    deleted_at: Date | null;
    revision: Generated<number>;
    created_at: Generated<Date>;
    updated_at: Generated<Date>;
  };
  webhook_links: {
    tenant_id: ReadOnly<string>;
    link: ReadOnly<number>;
    endpoints: ReadOnly<string[]>;
    places: ReadOnly<object>;
  };
  "audit.heads": {
    tenant_id: ReadOnly<string>;
    link: ReadOnly<number>;
    seq: ReadOnly<number>;
    hash: ReadOnly<Uint8Array>;
  };
  "audit.index_heads": {
    tenant_id: ReadOnly<string>;
    link: ReadOnly<number>;
    seq: ReadOnly<number>;
  };
  "audit.indexed_events": {
    tenant_id: ReadOnly<string>;
    seq: ReadOnly<number>;
    link: ReadOnly<number>;
    recorded_at: ReadOnly<Date>;
    event: ReadOnly<string>;
    actor: ReadOnly<string>;
    issuer: ReadOnly<string | null>;
    api_key_id: ReadOnly<string | null>;
    credential_id: ReadOnly<string | null>;
    outcome: ReadOnly<string>;
  };
  "audit.links": {
    tenant_id: ReadOnly<string>;
    link: ReadOnly<number>;
    first_seq: ReadOnly<number>;
    event_count: ReadOnly<number>;
    recorded_at: ReadOnly<Date>;
    previous_hash: ReadOnly<Uint8Array>;
    hash: ReadOnly<Uint8Array>;
    events: ReadOnly<string>;
    credential_ids: ReadOnly<string[]>;
  };
}
