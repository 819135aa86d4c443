import { type RawBuilder, sql, type Transaction } from "kysely";
import type { Db } from "./connect.ts";
import type { Database } from "./schema.ts";

/**
 * What a transaction reaches of its tenant: what the member owns, or everything, to read only or also to
 * write.
 */
export type Reach = "own" | "tenant-read" | "tenant-write";

export type TenantScope = Readonly<{
  tenantId: string;
  memberId: string | null;
  reach: Reach;
  narrowing?: Readonly<{
    credentials: readonly string[] | null;
    accounts: readonly string[] | null;
  }>;
}>;

const scoped = Symbol("scoped");
/** The only handle to the rows of a tenant. Only withTenant makes it, and it ends with its transaction. */
export type TenantTx = Transaction<Database> & Readonly<{ [scoped]: "tenant" }>;
/** Reaches the table of tenants and no row of any other table. Only withPlatform makes it. */
export type PlatformTx = Transaction<Database> & Readonly<{ [scoped]: "platform" }>;

/** The scope of the service itself for one tenant. */
export function serviceScope(tenantId: string): TenantScope {
  return { tenantId, memberId: null, reach: "tenant-write" };
}

/**
 * Runs `work` in a transaction that sees and writes what the scope reaches, as row-level security enforces.
 */
export function withTenant<T>(db: Db, scope: TenantScope, work: (tx: TenantTx) => Promise<T>): Promise<T> {
  return within(db, settingsOf(scope), (tx) => work(Object.assign(tx, { [scoped]: "tenant" } as const)));
}

/** The same for reading: the server refuses each write of this transaction. */
export function readTenant<T>(db: Db, scope: TenantScope, work: (tx: TenantTx) => Promise<T>): Promise<T> {
  return within(db, settingsOf(scope), async (tx) => {
    await sql`set transaction read only`.execute(tx);
    return work(Object.assign(tx, { [scoped]: "tenant" } as const));
  });
}

/**
 * Runs `work` in a transaction of the operator, who creates and suspends tenants and sees none of their rows.
 */
export function withPlatform<T>(db: Db, work: (tx: PlatformTx) => Promise<T>): Promise<T> {
  return within(db, platform, (tx) => work(Object.assign(tx, { [scoped]: "platform" } as const)));
}

type Settings = Readonly<{
  tenant: string;
  member: string;
  reach: Reach | "platform";
  credentials: string;
  accounts: string;
}>;

const platform: Settings = { tenant: "", member: "", reach: "platform", credentials: "", accounts: "" };

function settingsOf({ tenantId, memberId, reach, narrowing }: TenantScope): Settings {
  return {
    tenant: tenantId,
    member: memberId ?? "",
    reach,
    credentials: listOf(narrowing?.credentials),
    accounts: listOf(narrowing?.accounts),
  };
}

/** A list of ids as PostgreSQL writes an array. */
function listOf(ids: readonly string[] | null | undefined): string {
  return ids === null || ids === undefined ? "" : `{${ids.join(",")}}`;
}

/**
 * All settings are set each time and end with the transaction (`true`), never with the session, so that the
 * next user of a pooled connection finds none of them. The policies read an empty text as unset.
 */
function within<T>(
  db: Db,
  { tenant, member, reach, credentials, accounts }: Settings,
  work: (tx: Transaction<Database>) => Promise<T>,
): Promise<T> {
  const run = (): Promise<T> =>
    db.transaction().execute(async (tx) => {
      await sql`select set_config('keyhold.tenant_id', ${tenant}, true), set_config('keyhold.member_id', ${member}, true),
        set_config('keyhold.reach', ${reach}, true), set_config('keyhold.credentials', ${credentials}, true),
        set_config('keyhold.accounts', ${accounts}, true)${boundOf(db)}`.execute(tx);
      return work(tx);
    });
  return db.shares === undefined || reach === "platform" ? run() : db.shares.within(tenant, run);
}

/** Behind a pooler a session keeps no limit for its statements, so each transaction sets its own. */
function boundOf({ statementWithin }: Db): RawBuilder<unknown> {
  return statementWithin === undefined
    ? sql``
    : sql`, set_config('statement_timeout', ${String(statementWithin)}, true)`;
}
