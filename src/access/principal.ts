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
