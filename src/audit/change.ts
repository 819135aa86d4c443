import { sql, type Transaction } from "kysely";
import type { Prove } from "../access/membership.ts";
import { type Member, type Operator, type Principal, scopeOf, system } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import type { Database } from "../db/schema.ts";
import { type PlatformTx, type TenantTx, withPlatform, withTenant } from "../db/tenant.ts";
import { type ErrorCode, KeyholdError } from "../errors.ts";
import { type AuditEvent, describeEvent } from "./events.ts";
import { UnprovenRights, assertSigner, signerOf, type Grants, type Signed, type Unsigned } from "./grants.ts";

declare const answered: unique symbol;

/**
 * Only `change` and `changeTenant` make it: the answer to the caller, stored under an Idempotency-Key in the
 * commit of the change.
 */
export type Answered<T extends object> = T & { readonly [answered]: true };

/** The result of a change, and its events. A change without an event does not compile. */
export type Recorded<T> = Readonly<{ value: T; events: readonly [AuditEvent, ...AuditEvent[]] }>;

export type Changed<T> = Recorded<T> &
  Readonly<{
    /** Runs after the commit, and throws nothing. */
    after?: () => void | Promise<void>;
    /** Thrown after the commit: the events are recorded, and the caller did not get what it asked for. */
    refusal?: KeyholdError | null;
  }>;

/** The value of a change whose answer has no body. */
export type Nothing = Readonly<Record<string, never>>;
export const nothing: Nothing = {};

type Work<T, Tx = TenantTx> = (tx: Tx) => Promise<Changed<T>>;

/**
 * Runs a change in one transaction of the principal's reach, stores the answer to the request, signs the
 * rights that it has changed, and appends its events as the last statement. All of it commits together. Only
 * that statement locks the chain, so nothing slow may follow it. The rights of the principal were read before
 * the transaction, and are checked once more while the chain is held. Throws `record_unavailable`,
 * `idempotency_in_flight`, `rights_unproven` when a right that it changes was not signed before, and
 * `forbidden` or `unauthenticated` when the role, the membership or the API key has ended meanwhile.
 */
export async function change<T extends object>(
  db: Db,
  principal: Principal,
  work: Work<T>,
): Promise<Answered<T>> {
  const judged = principal.kind === "member" ? principal : null;
  const changed = await withRecord(db, principal, judged, async (tx) =>
    keepAnswer(principal, tx, await work(tx)),
  );
  return answer(changed);
}

/** The same for the operator, whose events are in the chain of the tenant that they concern. */
export async function changeTenant<T extends object>(
  db: Db,
  operator: Operator,
  tenantId: string,
  work: Work<T, PlatformTx>,
): Promise<Answered<T>> {
  const changed = await signing(db, tenantId, (grants) =>
    withPlatform(db, async (tx) => {
      const changed = await keepAnswer(operator, tx, await work(tx));
      await append(tx, { tenantId, actor: operator, judged: null, grants }, changed.events);
      return changed;
    }),
  );
  return answer(changed);
}

/** For work that may be done already: then `work` returns `null`, and nothing is recorded. */
export async function changeUnlessDone(
  db: Db,
  principal: Principal,
  work: (tx: TenantTx) => Promise<Recorded<undefined> | null>,
): Promise<void> {
  await withRecord(db, principal, null, work);
}

function withRecord<C extends Recorded<unknown> | null>(
  db: Db,
  principal: Principal,
  judged: Member | null,
  work: (tx: TenantTx) => Promise<C>,
): Promise<C> {
  const { tenantId } = principal;
  return signing(db, tenantId, (grants) =>
    withTenant(db, scopeOf(principal), async (tx) => {
      const changed = await work(tx);
      if (changed !== null) await append(tx, { tenantId, actor: principal, judged, grants }, changed.events);
      return changed;
    }),
  );
}

async function keepAnswer<T extends object>(
  actor: Principal | Operator,
  tx: TenantTx | PlatformTx,
  changed: Changed<T>,
): Promise<Changed<T>> {
  const isAnswered = (changed.refusal ?? null) === null;
  if (isAnswered && actor.kind !== "system") await actor.keepAnswer?.(tx, changed.value);
  return changed;
}

async function answer<T extends object>({ value, after, refusal }: Changed<T>): Promise<Answered<T>> {
  await after?.();
  if (refusal !== undefined && refusal !== null) throw refusal;
  return markAnswered(value);
}

/** The mark exists for the compiler only. */
function markAnswered<T extends object>(value: T): Answered<T>;
function markAnswered(value: object): object {
  return value;
}

/**
 * Records an event without a change, such as a refusal or the outcome of a call, even if the rights of the
 * caller have ended.
 */
export async function note(db: Db, principal: Principal, event: AuditEvent): Promise<void> {
  await withRecord(db, principal, null, () => Promise.resolve({ value: undefined, events: [event] }));
}

/**
 * Records that rights are not those that were signed. Always throws `rights_unproven` or
 * `record_unavailable`.
 */
async function refuseUnproven(db: Db, cause: UnprovenRights): Promise<never> {
  const { tenantId, detail } = cause;
  await note(db, system(tenantId, "verify-rights"), {
    event: "rights.unproven",
    detail,
    outcome: detail.reason,
  });
  throw new KeyholdError(
    "rights_unproven",
    "The rights in the database are not those that Keyhold has signed, so nothing was opened or changed. Inform the operator.",
    { facts: detail, cause },
  );
}

async function signing<T>(
  db: Db,
  tenantId: string,
  work: (grants: Grants | undefined) => Promise<T>,
): Promise<T> {
  const grants = signerOf(db);
  await grants?.warm(tenantId);
  try {
    return await work(grants);
  } catch (error) {
    if (error instanceof UnprovenRights) return refuseUnproven(db, error);
    throw error;
  }
}

type Writer = Readonly<{
  tenantId: string;
  actor: Principal | Operator;
  /** The member whose rights are checked once more while the chain is held. */
  judged: Member | null;
  grants: Grants | undefined;
}>;

/** One round without MACs, and a second with them if rights have changed. */
const mostRounds = 2;

async function append(
  tx: Transaction<Database>,
  writer: Writer,
  events: readonly AuditEvent[],
): Promise<void> {
  let signed: readonly Signed[] = [];
  for (let round = 0; round < mostRounds; round += 1) {
    const unsigned = await conclude(tx, writer, signed, describe(writer.actor, events, signed));
    if (unsigned.length === 0) return;
    signed = await assertSigner(writer.grants).sign(writer.tenantId, unsigned);
  }
  throw new Error("the rights of this change cannot be signed");
}

function describe(actor: Principal | Operator, events: readonly AuditEvent[], signed: readonly Signed[]) {
  const [first = "{}", ...others] = events.map(({ detail }) => describeEvent(actor, detail));
  return {
    names: events.map(({ event }) => event),
    outcomes: events.map(({ outcome }) => outcome ?? "ok"),
    details: [namingGrants(first, signed), ...others],
    credentials: events.map(({ detail }) => ("credential_id" in detail ? detail.credential_id : null)),
  };
}

/** The grants come first in the text, where `audit.names_grants` looks for them. */
function namingGrants(detail: string, signed: readonly Signed[]): string {
  if (signed.length === 0) return detail;
  return `{"grants":${JSON.stringify(signed.map(({ id, number }) => `${id}:${number}`))},${detail.slice(1)}`;
}

/**
 * @returns the rights that must be signed. Once the events are appended, the database returns a single row of
 * kind `null` instead, with the standing of the caller.
 */
async function conclude(
  tx: Transaction<Database>,
  { tenantId, judged }: Writer,
  signed: readonly Signed[],
  { names, outcomes, details, credentials }: ReturnType<typeof describe>,
): Promise<readonly Unsigned[]> {
  const kinds = signed.map(({ kind }) => kind);
  const ids = signed.map(({ id }) => id);
  const macs = signed.map(({ mac }) => Buffer.from(mac));
  // The rights are checked after the append, while the chain is held.
  const standing =
    judged === null
      ? sql`null`
      : sql`case when c.kind is null then
          access.standing(${tenantId}::uuid, ${judged.memberId}::uuid, ${judged.role}, ${judged.apiKeyId}::uuid, 0) end`;
  const { rows } = await sql<Unsigned | Readonly<{ kind: null; standing: string | null }>>`
    with concluded as materialized (select * from audit.conclude(${tenantId}::uuid, ${kinds}::text[], ${ids}::uuid[],
      ${macs}::bytea[], ${names}::text[], ${outcomes}::text[], ${details}::text[], ${credentials}::uuid[]))
    select c.*, ${standing} as standing from (values (1)) one left join concluded c on true`
    .execute(tx)
    .catch((cause: unknown) => {
      throw new KeyholdError(
        "record_unavailable",
        "The audit record could not be written, so nothing was changed. Try again in a moment.",
        { cause },
      );
    });
  for (const row of rows) if (row.kind === null && row.standing !== null) assertStanding(row.standing);
  return rows.filter((row) => row.kind !== null);
}

/** The error of a caller whose rights have ended during its request. */
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

/** Proves rights by the grants that this installation signed. */
export function prover(db: Db, grants: Pick<Grants, "examine">): Prove {
  return async (tenantId, proof, asked) => {
    try {
      return await grants.examine(tenantId, proof, asked);
    } catch (error) {
      if (error instanceof UnprovenRights) return refuseUnproven(db, error);
      throw error;
    }
  };
}
