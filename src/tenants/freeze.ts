import { assertScope, type Principal } from "../access/principal.ts";
import { change } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { lockTenant, type Tenant, writeTenant } from "./tenant.ts";

/** Stops every use of the tenant's credentials, effective at once in every process. */
export async function freezeTenant(db: Db, principal: Principal, reason: string | null): Promise<Tenant> {
  assertScope(principal, "tenant:write");
  return change(db, principal, async (tx) => {
    const row = await lockTenant(tx, principal.tenantId);
    return {
      value: await writeTenant(tx, row.id, { frozen_at: row.frozen_at ?? new Date() }),
      events: [{ event: "tenant.frozen", detail: { reason } }],
    };
  });
}

export async function unfreezeTenant(db: Db, principal: Principal): Promise<Tenant> {
  assertScope(principal, "tenant:write");
  return change(db, principal, async (tx) => ({
    value: await writeTenant(tx, principal.tenantId, { frozen_at: null }),
    events: [{ event: "tenant.unfrozen", detail: {} }],
  }));
}
