import type { ColumnType, Generated, JSONColumnType } from "kysely";
import type { PackedRecord } from "../crypto/packed-fields.ts";
import type { Time, TimeOrNull } from "./columns.ts";
import type { Signed } from "./signed.ts";
import type {
  WebhookAttemptsTable,
  WebhookDeliveriesTable,
  WebhookEndpointsTable,
} from "./webhook-tables.ts";

/** The tables as Kysely sees them; the truth is in `migrations/`, and `schema.sql` is what they make. */
export interface Database {
  tenants: TenantsTable;
  members: MembersTable;
  accounts: AccountsTable;
  credentials: CredentialsTable;
  credential_versions: CredentialVersionsTable;
  sealed_secrets: SealedSecretsTable;
  data_keys: DataKeysTable;
  health_checks: HealthChecksTable;
  rotations: RotationsTable;
  rotation_schedules: RotationSchedulesTable;
  venue_rotations: VenueRotationsTable;
  intents: IntentsTable;
  installation: InstallationTable;
  api_keys: ApiKeysTable;
  operator_keys: OperatorKeysTable;
  idempotency_keys: IdempotencyKeysTable;
  invocations: InvocationsTable;
  freezes: FreezesTable;
  webhook_endpoints: WebhookEndpointsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  webhook_attempts: WebhookAttemptsTable;
  "audit.links": AuditLinksTable;
}

/** `null` beside something that is switched off is read as owner. */
type RankOrNull = ColumnType<MemberRank | null, MemberRank | null | undefined, MemberRank | null>;
type MemberRank = Exclude<StoredRank, "operator">;
type ArrayOrNull = ColumnType<string[] | null, string[] | null | undefined, never>;
type OperationClass = "read" | "trade" | "transfer" | "withdraw";

/** What the venue said that a key may do, as it is kept and shown. */
export type StoredPermissions = Readonly<
  Record<OperationClass, "yes" | "no" | "unknown"> & {
    /** Addresses that the venue binds the key to; `null` where it does not tell. */
    bound_ips: readonly string[] | null;
    unknown_words: readonly string[];
  }
>;

/** What the venue told of the account behind a key, as it is kept and shown. */
export type StoredAccountFacts = Readonly<{
  id?: string;
  number?: string;
  type?: string;
  status?: string;
  blocked?: readonly string[];
}>;

/** What a tenant decides for its credentials. */
export type TenantPolicy = Readonly<{ check_minutes?: number } & Partial<Record<Allowance, boolean>>>;
type Allowance = "allow_withdraw" | "allow_unknown_permissions" | "allow_deferred" | "allow_unproven";

/** What the operator grants a tenant, each a number per minute. */
export type StoredLimits = Readonly<{
  requests_per_minute?: number;
  reveals_per_minute?: number;
  invokes_per_minute?: number;
}>;

type JsonOrNull = ColumnType<object | null, string | null | undefined, string | null>;

interface TenantsTable extends Signed {
  id: string;
  name: string;
  status: Generated<"active" | "suspended" | "deleted">;
  frozen_at: TimeOrNull;
  policy: JSONColumnType<TenantPolicy, string | undefined>;
  limits: JSONColumnType<StoredLimits, string | undefined>;
  revision: Generated<number>;
  created_at: Time;
  updated_at: Time;
}

interface MembersTable extends Signed {
  tenant_id: string;
  id: string;
  issuer: string;
  subject: string;
  role: "owner" | "admin" | "trader" | "viewer" | "auditor";
  status: Generated<"active" | "suspended">;
  suspended_rank: RankOrNull;
  revision: Generated<number>;
  created_at: Time;
  updated_at: Time;
}

interface AccountsTable extends Signed {
  tenant_id: string;
  id: string;
  owner_id: string;
  name: string;
  active: Generated<boolean>;
  switched_off_rank: RankOrNull;
  frozen_at: TimeOrNull;
  deleted_at: TimeOrNull;
  revision: Generated<number>;
  created_at: Time;
  updated_at: Time;
}

export interface CredentialsTable extends Signed {
  /** The versions that may be opened, each with its state and store. */
  openable: ColumnType<readonly string[], never, never>;
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
  allow: Generated<OperationClass[]>;
  reveal: Generated<boolean>;
  store: "postgres" | "vault" | "aws" | "file" | "env";
  version: Generated<number>;
  last_version: Generated<number>;
  switched_off_rank: RankOrNull;
  frozen_at: TimeOrNull;
  owner_expires_at: TimeOrNull;
  venue_expires_at: TimeOrNull;
  /** The earlier of the two above; the database computes it. */
  expires_at: ColumnType<Date | null, never, never>;
  estimated_expires_at: TimeOrNull;
  unused_days: ColumnType<number | null, number | null | undefined, number | null>;
  health: Generated<"unknown" | "healthy" | "degraded" | "unhealthy">;
  health_message: string | null;
  last_validated_at: TimeOrNull;
  rejected_at: TimeOrNull;
  refused_since: TimeOrNull;
  refused_as: "rejected" | "ambiguous" | "ip_not_allowed" | null;
  held_at: TimeOrNull;
  next_check_at: Time;
  check_attempts: Generated<number>;
  check_leased_until: ColumnType<Date | null, never, Date | null>;
  warned_days: ColumnType<number | null, number | null | undefined, number | null>;
  deleted_at: TimeOrNull;
  revision: Generated<number>;
  created_at: Time;
  updated_at: Time;
}

interface CredentialVersionsTable {
  tenant_id: string;
  credential_id: string;
  version: number;
  store: CredentialsTable["store"];
  /** `null` once the version is destroyed. */
  data_key_id: string | null;
  state: "current" | "retired" | "destroyed";
  key_since: Time;
  created_at: Time;
  destroyed_at: TimeOrNull;
}

interface RotationsTable {
  tenant_id: string;
  id: string;
  credential_id: string;
  from_version: number;
  to_version: number;
  state: "overlap" | "finished" | "rolled_back";
  overlap_until: ColumnType<Date, Date, Date>;
  fallbacks: Generated<number>;
  last_fallback_at: TimeOrNull;
  started_at: Time;
  ended_at: TimeOrNull;
}

interface RotationSchedulesTable {
  tenant_id: string;
  credential_id: string;
  parent_id: string | null;
  every_days: number;
  next_at: ColumnType<Date, Date, Date>;
  failures: Generated<number>;
  last_failure: Generated<string | null>;
  last_failure_message: Generated<string | null>;
  last_failed_at: TimeOrNull;
  created_at: Time;
}

interface VenueRotationsTable {
  tenant_id: string;
  id: string;
  credential_id: string;
  parent_id: string;
  stage: "creating" | "overlap" | "withdrawing";
  rotation_id: Generated<string | null>;
  reason: Generated<string | null>;
  due_at: Time;
  attempts: Generated<number>;
  started_at: Time;
}

interface HealthChecksTable {
  tenant_id: string;
  id: string;
  credential_id: string;
  venue: string;
  environment: "live" | "paper" | "testnet";
  purpose: "register" | "validate" | "health" | "rotate";
  outcome: string;
  status: string;
  health: string;
  checked_at: Time;
}

interface SealedSecretsTable {
  tenant_id: string;
  credential_id: string;
  version: number;
  sealed: ColumnType<Uint8Array, PackedRecord, never>;
  created_at: Time;
}

interface DataKeysTable {
  tenant_id: string;
  id: string;
  use: "seal" | "mac";
  kek_id: string;
  wrapped: Uint8Array;
  state: Generated<"active" | "retired">;
  operations: Generated<number>;
  created_at: Time;
  retired_at: TimeOrNull;
}

interface IntentsTable {
  tenant_id: string;
  id: string;
  kind: "register" | "replace" | "rotate" | "reseal" | "destroy";
  credential_id: string;
  version: number;
  store: "postgres" | "vault" | "aws" | "file" | "env";
  venue: string;
  environment: "live" | "paper" | "testnet";
  created_at: Time;
}

interface InstallationTable {
  singleton: Generated<boolean>;
  kek_id: string;
  created_at: Time;
}

interface ApiKeysTable extends Signed {
  tenant_id: string;
  id: string;
  member_id: string;
  name: string;
  prefix: string;
  hash: Uint8Array;
  scopes: string[];
  agent: Generated<boolean>;
  /** The keys by which it was made, from the first to its maker; it ends with any of them. */
  makers: Generated<string[]>;
  credentials: ArrayOrNull;
  accounts: ArrayOrNull;
  networks: ArrayOrNull;
  made_without_end: Generated<boolean>;
  /** The database sets 90 days where none is given, and 366 at most. */
  expires_at: ColumnType<Date, Date | null | undefined, Date>;
  revoked_at: TimeOrNull;
  last_used_at: TimeOrNull;
  created_at: Time;
}

/** Who may end a freeze: the same rank or a higher one. */
type StoredRank = "trader" | "admin" | "owner" | "operator";

/** As the record names an actor. */
export type StoredActor = Readonly<{
  kind: "member" | "system" | "operator";
  member_id?: string;
  task?: string;
}>;

interface FreezesTable {
  tenant_id: string;
  id: Generated<string>;
  account_id: string | null;
  credential_id: string | null;
  rank: StoredRank;
  /** `null` for a freeze that was made before this was kept. */
  actor: ColumnType<StoredActor | null, string | null | undefined, never>;
  reason: string | null;
  frozen_at: Time;
}

interface OperatorKeysTable {
  id: string;
  name: string;
  prefix: string;
  hash: Uint8Array;
  made_by: string;
  created_at: Time;
  expires_at: ColumnType<Date, Date, Date>;
  revoked_at: TimeOrNull;
}

interface IdempotencyKeysTable {
  tenant_id: string;
  principal: string;
  route: string;
  key: string;
  request_mac: Uint8Array;
  state: Generated<"running" | "done">;
  status: number | null;
  body: JsonOrNull;
  created_at: Time;
}

interface InvocationsTable {
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
  result: JsonOrNull;
  message: string | null;
  created_at: Time;
  updated_at: Time;
}

interface AuditLinksTable {
  tenant_id: string;
  link: number;
  first_seq: number;
  event_count: number;
  recorded_at: Time;
  previous_hash: Uint8Array;
  hash: Uint8Array;
  events: string;
  credential_ids: string[];
}
