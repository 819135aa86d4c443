import { assertScope, type Operator, type Principal } from "../access/principal.ts";
import { type Answered, change, type Changed, changeTenant } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import type { PlatformTx, TenantTx } from "../db/tenant.ts";
import { addFreeze, eventsOfLifting, frozenAt, liftFreezes } from "./freezes.ts";
import { lockTenant, type Tenant, writeTenant } from "./tenant.ts";

/** Stops every use of the tenant's credentials, effective at once in every process. */
export async function freezeTenant(
  db: Db,
  principal: Principal,
  reason: string | null,
): Promise<Answered<Tenant>> {
  assertScope(principal, "tenant:write");
  return change(db, principal, (tx) => freeze(tx, principal, principal.tenantId, reason));
}

/**
 * Lifts the freezes of the tenant that the caller may lift; the answer shows those that are left. Throws `forbidden` when the caller
 * may lift none of those that stand.
 */
export async function unfreezeTenant(db: Db, principal: Principal): Promise<Answered<Tenant>> {
  assertScope(principal, "tenant:write");
  return change(db, principal, (tx) => unfreeze(tx, principal, principal.tenantId));
}

/** The same for the operator, whose freeze no member lifts. */
export async function freezeTenantAsOperator(
  db: Db,
  operator: Operator,
  id: string,
  reason: string | null,
): Promise<Answered<Tenant>> {
  return changeTenant(db, operator, id, (tx) => freeze(tx, operator, id, reason));
}

export async function unfreezeTenantAsOperator(
  db: Db,
  operator: Operator,
  id: string,
): Promise<Answered<Tenant>> {
  return changeTenant(db, operator, id, (tx) => unfreeze(tx, operator, id));
}

async function freeze(
  tx: TenantTx | PlatformTx,
  actor: Principal | Operator,
  tenantId: string,
  reason: string | null,
): Promise<Changed<Tenant>> {
  const row = await lockTenant(tx, tenantId);
  const rank = await addFreeze(tx, actor, { tenantId }, reason);
  return {
    value: await writeTenant(tx, row.id, { frozen_at: frozenAt.added }),
    events: [{ event: "tenant.frozen", detail: { reason, rank } }],
  };
}

async function unfreeze(
  tx: TenantTx | PlatformTx,
  actor: Principal | Operator,
  tenantId: string,
): Promise<Changed<Tenant>> {
  const row = await lockTenant(tx, tenantId);
  const lifted = await liftFreezes(tx, actor, { tenantId });
  return {
    value: await writeTenant(tx, row.id, { frozen_at: frozenAt.lifted }),
    events: eventsOfLifting(lifted, { event: "tenant.unfrozen", detail: {} }, {}),
  };
}
