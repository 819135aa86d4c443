import { randomUUID } from "node:crypto";
import { type Selectable, sql, type UpdateObject } from "kysely";
import { assertScope, type Operator, type Principal, scopeOf } from "../access/principal.ts";
import { assertSeen } from "../audit/change-locked.ts";
import { type Answered, change, type Changed, changeTenant } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import { assertSigner, signerOf } from "../audit/grants.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import type { StoredLimits, TenantPolicy } from "../db/stored-json.ts";
import { type PlatformTx, type TenantTx, readTenant, withPlatform } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { addFreeze, eventsOfLifting, type Freeze, freezesOf, frozenAt, liftFreezes } from "./freeze.ts";

type Tenant = Readonly<ReturnType<typeof toTenant>>;

/** Minutes between checks of a credential, unless its tenant has set another value. */
export const defaultCheckMinutes = 360;

/** The policy of a tenant that has not set one. */
const defaultPolicy: Required<TenantPolicy> = {
  allow_withdraw: false,
  allow_unknown_permissions: true,
  allow_deferred: false,
  allow_unproven: false,
  check_minutes: defaultCheckMinutes,
};

function toTenant(row: Selectable<Database["tenants"]> & Readonly<{ freezes: readonly Freeze[] }>) {
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
export async function lockTenant(
  tx: TenantTx | PlatformTx,
  id: string,
): Promise<Selectable<Database["tenants"]> & Readonly<{ freezes: readonly Freeze[] }>> {
  const row = await selectTenant(tx, id).forUpdate().executeTakeFirst();
  if (row === undefined) throw new KeyholdError("not_found", "There is no such tenant.");
  return row;
}

async function writeTenant(
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

/**
 * Creates a tenant with its first member, who owns it and adds the others. The chain of its audit record
 * begins here.
 */
export async function createTenant(
  db: Db,
  operator: Operator,
  input: Readonly<{ name: string; owner: Readonly<{ issuer: string; subject: string }> }>,
): Promise<Answered<Readonly<{ tenant: Tenant; owner_id: string }>>> {
  const id = randomUUID();
  const ownerId = randomUUID();
  const macKey = await assertSigner(signerOf(db)).begin(id);
  return changeTenant(db, operator, id, async (tx) => {
    const tenant = await tx
      .insertInto("tenants")
      .values({ id, name: input.name })
      .returningAll()
      .executeTakeFirstOrThrow();
    await tx
      .insertInto("data_keys")
      .values({ tenant_id: id, id: macKey.id, use: "mac", kek_id: macKey.kekId, wrapped: macKey.wrapped })
      .execute();
    await tx
      .insertInto("members")
      .values({ tenant_id: id, id: ownerId, ...input.owner, role: "owner" })
      .execute();
    return {
      value: { tenant: toTenant({ ...tenant, freezes: [] }), owner_id: ownerId },
      events: [
        { event: "tenant.created", detail: { name: input.name } },
        { event: "member.added", detail: { member_id: ownerId, role: "owner" } },
      ],
    };
  });
}

/** All tenants, newest first, for the operator, who sees nothing inside them. */
export async function listTenants(db: Db, page: PageRequest): Promise<Page<Tenant>> {
  const rows = await withPlatform(db, (tx) =>
    tx
      .selectFrom("tenants")
      .selectAll()
      .select(freezesOf("tenants").as("freezes"))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toTenant);
}

/** The caller's own tenant. */
export async function showOwnTenant(db: Db, principal: Principal): Promise<Tenant> {
  assertScope(principal, "tenant:read");
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    selectTenant(tx, principal.tenantId).executeTakeFirst(),
  );
  if (row === undefined) throw noSuchTenant();
  return toTenant(row);
}

/** Any tenant, for the operator. */
export async function showTenant(db: Db, id: string): Promise<Tenant> {
  const row = await withPlatform(db, (tx) => selectTenant(tx, id).executeTakeFirst());
  if (row === undefined) throw noSuchTenant();
  return toTenant(row);
}

function noSuchTenant(): KeyholdError {
  return new KeyholdError("not_found", "There is no such tenant.");
}

/**
 * Changes which credentials the tenant accepts. Settings that are not named stay as they are. Throws `stale`.
 */
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

/**
 * Changes the name and the limits per minute, for the operator. What is not named stays as it is. Throws
 * `stale`.
 */
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

/** Blocks all access to a tenant and every use of its credentials. */
export async function suspendTenant(db: Db, operator: Operator, id: string): Promise<Answered<Tenant>> {
  return setStatus(db, operator, id, "suspended", { event: "tenant.suspended", detail: {} });
}

export async function resumeTenant(db: Db, operator: Operator, id: string): Promise<Answered<Tenant>> {
  return setStatus(db, operator, id, "active", { event: "tenant.resumed", detail: {} });
}

/** Blocks a tenant permanently; a job then destroys its secrets, keys and rows. */
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

/** Stops every use of the tenant's credentials, immediately and in every process. */
export async function freezeTenant(
  db: Db,
  principal: Principal,
  reason: string | null,
): Promise<Answered<Tenant>> {
  assertScope(principal, "tenant:write");
  return change(db, principal, (tx) => freeze(tx, principal, principal.tenantId, reason));
}

/**
 * Lifts the freezes of the tenant that the caller may lift; the answer shows those that remain. Throws
 * `forbidden` if there are freezes of which the caller may lift none.
 */
export async function unfreezeTenant(db: Db, principal: Principal): Promise<Answered<Tenant>> {
  assertScope(principal, "tenant:write");
  return change(db, principal, (tx) => unfreeze(tx, principal, principal.tenantId));
}

/** The same for the operator, whose freeze no member can lift. */
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
