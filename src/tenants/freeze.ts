import { type RawBuilder, sql } from "kysely";
import { type Operator, type Principal, isAtLeast, type Rank, rankOf, ranks } from "../access/principal.ts";
import { type AuditEvent, readableText } from "../audit/events.ts";
import type { StoredActor } from "../db/stored-json.ts";
import type { PlatformTx, TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";

/** A freeze in force, as it is shown. Nothing below its subject can be used until every freeze is lifted. */
export type Freeze = Readonly<{
  id: string;
  /** This rank, or a higher one, can lift it. */
  rank: Rank;
  /** `null` for a freeze that was made before Keyhold stored this. */
  by: StoredActor | null;
  reason: string | null;
  frozen_at: string;
}>;

/** What is frozen: an account, a credential, or else the whole tenant. */
type Subject = Readonly<{ tenantId: string; accountId?: string; credentialId?: string }>;

const isOf = {
  tenants: sql`f.tenant_id = tenants.id and f.account_id is null and f.credential_id is null`,
  accounts: sql`f.tenant_id = accounts.tenant_id and f.account_id = accounts.id`,
  credentials: sql`f.tenant_id = credentials.tenant_id and f.credential_id = credentials.id`,
} as const;

/** A column with the freezes of the row that a statement reads or returns, oldest first. */
export function freezesOf(table: keyof typeof isOf): RawBuilder<Freeze[]> {
  return sql<Freeze[]>`(
    select coalesce(json_agg(json_build_object('id', f.id, 'rank', f.rank, 'by', f.actor, 'reason', f.reason,
      'frozen_at', to_char(f.frozen_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) order by f.frozen_at, f.id), '[]')
    from freezes f where ${isOf[table]})`;
}

/**
 * Adds a freeze of the actor's rank. Each actor has at most one freeze of a subject. Throws `forbidden` for
 * an agent.
 */
export async function addFreeze(
  tx: TenantTx | PlatformTx,
  actor: Principal | Operator,
  { tenantId, accountId, credentialId }: Subject,
  reason: string | null,
): Promise<Rank> {
  const rank = rankOf(actor);
  await tx
    .insertInto("freezes")
    .values({
      tenant_id: tenantId,
      account_id: accountId ?? null,
      credential_id: credentialId ?? null,
      rank,
      actor: JSON.stringify(describeActor(actor)),
      reason: reason === null ? null : readableText(reason),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return rank;
}

/**
 * Lifts the freezes of a subject that the actor may lift. The caller's transaction holds the subject's row.
 * Throws `forbidden` for an agent, and if there are freezes of which the actor may lift none.
 */
export async function liftFreezes(
  tx: TenantTx | PlatformTx,
  actor: Principal | Operator,
  subject: Subject,
): Promise<
  Readonly<Record<"lifted" | "left", readonly Readonly<{ id: string; rank: Rank; frozen_at: Date }>[]>>
> {
  const rank = rankOf(actor);
  const standing = await findFreezes(tx, subject);
  const lifted = standing.filter((freeze) => isAtLeast(rank, freeze.rank));
  const left = standing.filter((freeze) => !lifted.includes(freeze));
  const [highest] = left.toSorted((one, other) => ranks.indexOf(other.rank) - ranks.indexOf(one.rank));
  if (lifted.length === 0 && highest !== undefined) throw rankTooLow(highest);
  const ids = lifted.map(({ id }) => id);
  if (ids.length > 0) await tx.deleteFrom("freezes").where("id", "in", ids).execute();
  return { lifted, left };
}

async function findFreezes(
  tx: TenantTx | PlatformTx,
  { tenantId, accountId, credentialId }: Subject,
): Promise<readonly Readonly<{ id: string; rank: Rank; frozen_at: Date }>[]> {
  return tx
    .selectFrom("freezes")
    .select(["id", "rank", "frozen_at"])
    .where("tenant_id", "=", tenantId)
    .where("account_id", accountId === undefined ? "is" : "=", accountId ?? null)
    .where("credential_id", credentialId === undefined ? "is" : "=", credentialId ?? null)
    .execute();
}

/** The events of lifting: nothing is unfrozen while a freeze remains. */
export function eventsOfLifting(
  { lifted, left }: Awaited<ReturnType<typeof liftFreezes>>,
  unfrozen: AuditEvent,
  about: Readonly<{ credential_id?: string; account_id?: string }>,
): readonly [AuditEvent, ...AuditEvent[]] {
  const [first, ...others] = lifted.map(({ id, rank }): AuditEvent => {
    return { event: "freeze.lifted", detail: { freeze_id: id, rank, ...about } };
  });
  if (left.length === 0 || first === undefined) return [unfrozen];
  return [first, ...others];
}

/**
 * What is written to `frozen_at` after a change of freezes. A trigger replaces it by the time of the oldest
 * freeze, or null.
 */
export const frozenAt = {
  added: sql<Date>`coalesce(frozen_at, clock_timestamp())`,
  lifted: sql<null>`null`,
} as const;

function describeActor(actor: Principal | Operator): StoredActor {
  switch (actor.kind) {
    case "member":
      return { kind: "member", member_id: actor.memberId };
    case "system":
      return { kind: "system", task: actor.task };
    case "operator":
      return { kind: "operator" };
  }
}

function rankTooLow({
  rank,
  frozen_at,
}: Readonly<{ id: string; rank: Rank; frozen_at: Date }>): KeyholdError {
  const since = frozen_at.toISOString();
  return new KeyholdError(
    "forbidden",
    `A freeze of rank ${rank} has been in force since ${since}. Ask a member of that rank or a higher one to lift it.`,
    { facts: { reason: "rank", required_rank: rank, frozen_at: since } },
  );
}
