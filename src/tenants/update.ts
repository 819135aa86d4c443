import { assertScope, type Operator, type Principal } from "../access/principal.ts";
import { type Answered, change, changeTenant } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { assertSeen } from "../db/revision.ts";
import type { StoredLimits, TenantPolicy } from "../db/stored-json.ts";
import { lockTenant, type Tenant, writeTenant } from "./tenant.ts";

/** The tenant decides what credentials it takes. What is not named stays as it is. Throws `stale`. */
export async function updatePolicy(
  db: Db,
  principal: Principal,
  policy: TenantPolicy,
  revision?: number,
): Promise<Answered<Tenant>> {
  assertScope(principal, "tenant:write");
  return change(db, principal, async (tx) => {
    const row = await lockTenant(tx, principal.tenantId);
    assertSeen(row.revision, revision);
    const changed = Object.keys(policy).map((name) => `policy.${name}`);
    return {
      value: await writeTenant(tx, row.id, { policy: JSON.stringify({ ...row.policy, ...policy }) }),
      events: [{ event: "tenant.updated", detail: { changed } }],
    };
  });
}

/** The operator decides the name and the limits per minute. What is not named stays as it is. Throws `stale`. */
export async function updateTenant(
  db: Db,
  operator: Operator,
  id: string,
  input: Readonly<{ name?: string; limits?: StoredLimits }>,
  revision?: number,
): Promise<Answered<Tenant>> {
  return changeTenant(db, operator, id, async (tx) => {
    const row = await lockTenant(tx, id);
    assertSeen(row.revision, revision);
    const limits = JSON.stringify({ ...row.limits, ...input.limits });
    return {
      value: await writeTenant(tx, id, { name: input.name ?? row.name, limits }),
      events: [{ event: "tenant.updated", detail: { changed: Object.keys(input) } }],
    };
  });
}
