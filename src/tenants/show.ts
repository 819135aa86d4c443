import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { withPlatform, readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { findTenant, type Tenant, toTenant } from "./tenant.ts";

/** The caller's own tenant. */
export async function showOwnTenant(db: Db, principal: Principal): Promise<Tenant> {
  assertScope(principal, "tenant:read");
  const row = await readTenant(db, scopeOf(principal), (tx) => findTenant(tx, principal.tenantId));
  if (row === undefined) throw noSuchTenant();
  return toTenant(row);
}

/** Any tenant, for the operator. */
export async function showTenant(db: Db, id: string): Promise<Tenant> {
  const row = await withPlatform(db, (tx) => findTenant(tx, id));
  if (row === undefined) throw noSuchTenant();
  return toTenant(row);
}

function noSuchTenant(): KeyholdError {
  return new KeyholdError("not_found", "There is no such tenant.");
}
