import { type RawBuilder, sql, type Transaction } from "kysely";
import { type Member, type Operator, type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import type { Database } from "../db/schema.ts";
import { type ErrorCode, KeyholdError } from "../errors.ts";
import { type PlatformTx, type TenantTx, withPlatform, withTenant } from "../db/tenant.ts";
import { type AuditEvent, describeEvent } from "./events.ts";

/** What a change made, and what the record says of it. A change without an event does not compile. */
export type Changed<T> = Readonly<{ value: T; events: readonly [AuditEvent, ...AuditEvent[]] }>;

/**
 * Runs a change in one transaction of the principal's reach and appends its events as the last statement, so that neither
 * commits without the other. The chain is locked only there: nothing slow may follow. What the principal may do was read before the
 * transaction: once the chain is held, it is asked whether that is true still. Throws `record_unavailable`, and
 * `forbidden` or `unauthenticated` when the role, the membership or the API key has ended meanwhile.
 */
export async function change<T>(
  db: Db,
  principal: Principal,
  work: (tx: TenantTx) => Promise<Changed<T>>,
): Promise<T> {
  return withTenant(db, scopeOf(principal), async (tx) => {
    const { value, events } = await work(tx);
    await append(tx, principal.tenantId, principal, events, principal.kind === "member" ? principal : null);
    return value;
  });
}

/** The same for what has happened already, such as an order that was sent: it is recorded whatever the caller may do by now. */
export async function recordOutcome<T>(
  db: Db,
  principal: Principal,
  work: (tx: TenantTx) => Promise<Changed<T>>,
): Promise<T> {
  return withTenant(db, scopeOf(principal), async (tx) => {
    const { value, events } = await work(tx);
    await append(tx, principal.tenantId, principal, events);
    return value;
  });
}

/** For work that somebody else may have done already: then it answers `null`, and nothing is recorded. */
export async function changeUnlessDone(
  db: Db,
  principal: Principal,
  work: (tx: TenantTx) => Promise<Changed<undefined> | null>,
): Promise<void> {
  await withTenant(db, scopeOf(principal), async (tx) => {
    const changed = await work(tx);
    if (changed !== null) await append(tx, principal.tenantId, principal, changed.events);
  });
}

/** The same for the operator, whose events stand in the chain of the tenant they are about. */
export async function changeTenant<T>(
  db: Db,
  operator: Operator,
  tenantId: string,
  work: (tx: PlatformTx) => Promise<Changed<T>>,
): Promise<T> {
  return withPlatform(db, async (tx) => {
    const { value, events } = await work(tx);
    await append(tx, tenantId, operator, events);
    return value;
  });
}

/** An event without a change: a refusal, the outcome of a call. */
export async function note(db: Db, principal: Principal, event: AuditEvent): Promise<void> {
  await recordOutcome(db, principal, () => Promise.resolve({ value: undefined, events: [event] }));
}

async function append(
  tx: Transaction<Database>,
  tenantId: string,
  actor: Principal | Operator,
  events: readonly AuditEvent[],
  judged: Member | null = null,
): Promise<void> {
  const names = events.map(({ event }) => event);
  const outcomes = events.map(({ outcome }) => outcome ?? "ok");
  const details = events.map(({ detail }) => describeEvent(actor, detail));
  const credentials = events.map(({ detail }) => ("credential_id" in detail ? detail.credential_id : null));
  const record = recordStatement(tenantId, names, outcomes, details, credentials);
  const statement = judged === null ? record : judgedAfter(record, judged);
  const { rows } = await statement.execute(tx).catch((cause: unknown) => {
    throw new KeyholdError(
      "record_unavailable",
      "The audit record could not be written, so nothing was changed. Try again in a moment.",
      { cause },
    );
  });
  if (judged !== null) assertStanding(rows[0]?.outcome ?? "member_inactive");
}

/** The judgement reads what the appending returns, so it comes after it, while the chain is held. */
function judgedAfter(
  record: RawBuilder<Recorded>,
  { tenantId, memberId, role, apiKeyId }: Member,
): RawBuilder<Recorded> {
  return sql`with recorded as materialized (${record})
    select access.standing(${tenantId}::uuid, ${memberId}::uuid, ${role}, ${apiKeyId}::uuid, recorded.seq) as outcome
    from recorded`;
}

/** What a caller is told whose rights have ended while its request was on its way. */
const ended: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  tenant_inactive: ["forbidden", "The tenant is suspended."],
  member_inactive: ["forbidden", "Your membership is suspended."],
  principal_changed: ["unauthenticated", "Your role has changed. Send the request again."],
  api_key_inactive: ["unauthenticated", "The API key is revoked or has expired."],
};

function assertStanding(outcome: string): void {
  if (outcome === "ok") return;
  const [code, detail] = ended[outcome] ?? ["forbidden", "Your rights have ended."];
  throw new KeyholdError(code, detail, { facts: { reason: outcome } });
}

type Recorded = Readonly<{ outcome?: string }>;

function recordStatement(
  tenantId: string,
  names: readonly string[],
  outcomes: readonly string[],
  details: readonly string[],
  credentials: readonly (string | null)[],
): RawBuilder<Recorded> {
  return sql`select audit.record(${tenantId}::uuid, ${names}::text[], ${outcomes}::text[], ${details}::text[],
    ${credentials}::uuid[]) as seq`;
}
