import { type Selectable, sql, type UpdateObject } from "kysely";
import type { Database } from "../db/schema.ts";
import type { StoredLimits, TenantPolicy } from "../db/stored-json.ts";
import type { PlatformTx, TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { type Freeze, freezesOf } from "./freezes.ts";

type Row = Selectable<Database["tenants"]> & Readonly<{ freezes: readonly Freeze[] }>;

/** A tenant as it leaves the service. */
export type Tenant = Readonly<{
  id: string;
  name: string;
  status: "active" | "suspended" | "deleted";
  frozen: boolean;
  freezes: readonly Freeze[];
  policy: Required<TenantPolicy>;
  limits: StoredLimits;
  revision: number;
  created_at: string;
  updated_at: string;
}>;

/** How often a credential is checked where its tenant has not decided. */
export const defaultCheckMinutes = 360;

/** What holds for a tenant that has not decided. */
const defaultPolicy: Required<TenantPolicy> = {
  allow_withdraw: false,
  allow_unknown_permissions: true,
  allow_deferred: false,
  allow_unproven: false,
  check_minutes: defaultCheckMinutes,
};

export function toTenant(row: Row): Tenant {
  return {
    id: row.id,
    name: row.name,
    status: row.status,
    frozen: row.frozen_at !== null,
    freezes: row.freezes,
    policy: { ...defaultPolicy, ...row.policy },
    limits: row.limits,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export async function findTenant(tx: TenantTx | PlatformTx, id: string): Promise<Row | undefined> {
  return selectTenant(tx, id).executeTakeFirst();
}

function selectTenant(tx: TenantTx | PlatformTx, id: string) {
  return tx.selectFrom("tenants").selectAll().select(freezesOf("tenants").as("freezes")).where("id", "=", id);
}

/** What the tenant decides for its credentials. */
export async function findPolicy(tx: TenantTx, tenantId: string): Promise<TenantPolicy> {
  const row = await tx
    .selectFrom("tenants")
    .select("policy")
    .where("id", "=", tenantId)
    .executeTakeFirstOrThrow();
  return row.policy;
}

/** The tenant's row, held until the transaction ends. Throws `not_found`. */
export async function lockTenant(tx: TenantTx | PlatformTx, id: string): Promise<Row> {
  const row = await selectTenant(tx, id).forUpdate().executeTakeFirst();
  if (row === undefined) throw new KeyholdError("not_found", "There is no such tenant.");
  return row;
}

export async function writeTenant(
  tx: TenantTx | PlatformTx,
  id: string,
  changes: UpdateObject<Database, "tenants">,
): Promise<Tenant> {
  const row = await tx
    .updateTable("tenants")
    .set({ ...changes, revision: sql`revision + 1`, updated_at: sql`now()` })
    .where("id", "=", id)
    .returningAll()
    .returning(freezesOf("tenants").as("freezes"))
    .executeTakeFirstOrThrow();
  return toTenant(row);
}
