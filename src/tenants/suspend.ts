import type { Operator } from "../access/principal.ts";
import { type Answered, changeTenant } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { Db } from "../db/connect.ts";
import { KeyholdError } from "../errors.ts";
import { lockTenant, type Tenant, writeTenant } from "./tenant.ts";

/** Nobody of a suspended tenant is let in, and none of its credentials is used. */
export async function suspendTenant(db: Db, operator: Operator, id: string): Promise<Answered<Tenant>> {
  return setStatus(db, operator, id, "suspended", { event: "tenant.suspended", detail: {} });
}

export async function resumeTenant(db: Db, operator: Operator, id: string): Promise<Answered<Tenant>> {
  return setStatus(db, operator, id, "active", { event: "tenant.resumed", detail: {} });
}

/** Ends a tenant for good: nothing of it can be used from now on, and a job destroys its secrets, keys and rows. */
export async function deleteTenant(db: Db, operator: Operator, id: string): Promise<Answered<Tenant>> {
  return setStatus(db, operator, id, "deleted", { event: "tenant.deleted", detail: {} });
}

async function setStatus(
  db: Db,
  operator: Operator,
  id: string,
  status: Tenant["status"],
  event: AuditEvent,
): Promise<Answered<Tenant>> {
  return changeTenant(db, operator, id, async (tx) => {
    const row = await lockTenant(tx, id);
    if (row.status === "deleted") {
      throw new KeyholdError("illegal_state", "The tenant is deleted; its secrets are being destroyed.");
    }
    return { value: await writeTenant(tx, id, { status }), events: [event] };
  });
}
