import type { StoredLimits } from "../db/stored-json.ts";
import { type PlatformTx, type Reach, serviceScope, type TenantScope, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Narrowing } from "./narrowing.ts";
import type { Role, Scope } from "./permissions.ts";

/** The origin of a request, for the record. */
export type Origin = Readonly<{ address: string | null; requestId: string | null }>;

/**
 * Stores the answer to a request in the transaction of its change, for a repeat under the same
 * Idempotency-Key. Throws `idempotency_in_flight` when a later run of the request has the key now: then the
 * change must not commit.
 */
export type KeepAnswer = (tx: TenantTx | PlatformTx, answer: object) => Promise<void>;

/** A member of one tenant who acts through a token or an API key. */
export type Member = Readonly<{
  kind: "member";
  tenantId: string;
  memberId: string;
  role: Role;
  reach: Reach;
  scopes: ReadonlySet<Scope>;
  agent: boolean;
  apiKeyId: string | null;
  /** The keys with which that key was made; none if it was made with a token. */
  makers: readonly string[];
  narrowing: Narrowing;
  limits: StoredLimits;
  origin: Origin;
  keepAnswer?: KeepAnswer;
}>;

/** The service itself, acting for one tenant: the clock, a reconciler. */
export type System = Readonly<{ kind: "system"; tenantId: string; task: string; origin: Origin }>;

/** Runs the installation, and belongs to no tenant. */
export type Operator = Readonly<{
  kind: "operator";
  issuer: string;
  subject: string;
  origin: Origin;
  keepAnswer?: KeepAnswer;
}>;

export type Principal = Member | System;

export const nowhere: Origin = { address: null, requestId: null };

export function system(tenantId: string, task: string): System {
  return { kind: "system", tenantId, task, origin: nowhere };
}

/** The part of the database that a principal's transaction reaches. */
export function scopeOf(principal: Principal): TenantScope {
  return principal.kind === "member"
    ? {
        tenantId: principal.tenantId,
        memberId: principal.memberId,
        reach: principal.reach,
        narrowing: principal.narrowing,
      }
    : serviceScope(principal.tenantId);
}

/**
 * The only member whose rows a principal sees; `null` if it sees more. Row-level security enforces this. A
 * list adds the condition so that it is read by the index of the owner.
 */
export function soleOwner(principal: Principal): string | null {
  return principal.kind === "member" && principal.reach === "own" ? principal.memberId : null;
}

/** The principal as one string, for rate limits and idempotency keys. */
export function principalName(principal: Principal): string {
  if (principal.kind === "system") return `system:${principal.task}`;
  return principal.apiKeyId === null ? `member:${principal.memberId}` : `api_key:${principal.apiKeyId}`;
}

/** Throws `forbidden` unless the principal has the scope; the service itself has all scopes. */
export function assertScope(principal: Principal, scope: Scope): void {
  if (principal.kind === "system" || principal.scopes.has(scope)) return;
  throw new KeyholdError(
    "forbidden",
    `This needs the scope ${scope}, which your role or token does not give.`,
    {
      facts: { required_scope: scope },
    },
  );
}

/** The ranks, from the lowest to the highest. The rank that made a freeze, or a higher one, may end it. */
export const ranks = ["trader", "admin", "owner", "operator"] as const;
export type Rank = (typeof ranks)[number];
/** The ranks of members. */
export type MemberRank = Exclude<Rank, "operator">;

/** Roles that write nothing have no rank. */
const rankOfRole: Readonly<Record<Role, MemberRank | null>> = {
  owner: "owner",
  admin: "admin",
  trader: "trader",
  viewer: null,
  auditor: null,
};

/**
 * The rank of a principal inside its tenant; the service itself has that of owners. Throws `forbidden` for an
 * agent and for a role without a rank.
 */
function memberRankOf(principal: Principal): MemberRank {
  if (principal.kind === "system") return "owner";
  const rank = principal.agent ? null : rankOfRole[principal.role];
  if (rank !== null) return rank;
  throw new KeyholdError("forbidden", "An agent neither freezes nor switches anything on or off.");
}

/** The rank of a principal or an operator. */
export function rankOf(actor: Principal | Operator): Rank {
  return actor.kind === "operator" ? "operator" : memberRankOf(actor);
}

export function isAtLeast(rank: Rank, other: Rank): boolean {
  return ranks.indexOf(rank) >= ranks.indexOf(other);
}

/**
 * The rank to store when this principal switches off something that is on (`undefined`) or was switched off
 * by `earlier`.
 */
export function switchedOffBy(principal: Principal, earlier: MemberRank | null | undefined): MemberRank {
  const own = memberRankOf(principal);
  if (earlier === undefined) return own;
  const kept = earlier ?? "owner";
  return isAtLeast(own, kept) ? own : kept;
}

/** Throws `forbidden` unless the principal has the rank that switched it off; `null` counts as owner. */
export function assertMaySwitchOn(principal: Principal, switchedOff: MemberRank | null, thing: string): void {
  const needed = switchedOff ?? "owner";
  if (isAtLeast(memberRankOf(principal), needed)) return;
  throw new KeyholdError(
    "forbidden",
    `The ${thing} was switched off with the rank ${needed}. Ask a member of that rank to switch it on.`,
    { facts: { reason: "rank", required_rank: needed } },
  );
}
