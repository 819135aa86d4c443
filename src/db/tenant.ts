import { type RawBuilder, sql } from "kysely";
import type { Transaction } from "kysely";
import type { Db } from "./connect.ts";
import type { Database } from "./schema.ts";

/** What of its tenant a transaction reaches: what the member owns, or everything, to read or to write as well. */
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
/** The only handle to a tenant's rows. withTenant alone makes it, and it is of no use after its transaction. */
export type TenantTx = Transaction<Database> & Readonly<{ [scoped]: "tenant" }>;
/** Reaches the table of tenants and no row of any other. withPlatform alone makes it. */
export type PlatformTx = Transaction<Database> & Readonly<{ [scoped]: "platform" }>;

/** The service's own bookkeeping for one tenant. */
export function serviceScope(tenantId: string): TenantScope {
  return { tenantId, memberId: null, reach: "tenant-write" };
}

/** Runs `work` in a transaction that sees and writes what the scope reaches; row-level security holds it to that. */
export function withTenant<T>(db: Db, scope: TenantScope, work: (tx: TenantTx) => Promise<T>): Promise<T> {
  return within(db, settingsOf(scope), (tx) => work(Object.assign(tx, { [scoped]: "tenant" } as const)));
}

/** The same for reading: the server refuses every write of this transaction. */
export function readTenant<T>(db: Db, scope: TenantScope, work: (tx: TenantTx) => Promise<T>): Promise<T> {
  return within(db, settingsOf(scope), async (tx) => {
    await sql`set transaction read only`.execute(tx);
    return work(Object.assign(tx, { [scoped]: "tenant" } as const));
  });
}

/** Runs `work` in a transaction of the operator, who creates and suspends tenants and sees nothing of theirs. */
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
 * All settings are set each time and end with the transaction (`true`), never with the session: the next user of
 * a pooled connection must find nothing. The policies read an empty text as unset.
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

/** Behind a pooler a session keeps no bound on its statements, so that each transaction brings its own. */
function boundOf({ statementWithin }: Db): RawBuilder<unknown> {
  return statementWithin === undefined
    ? sql``
    : sql`, set_config('statement_timeout', ${String(statementWithin)}, true)`;
}
