import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { change } from "../audit/change.ts";
import { serviceScope, type TenantTx, readTenant } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import { endAll } from "./delete-account.ts";
import { destroyIntended } from "./destroy.ts";

const mostAtOnce = 100;

/** Removes the rows of deleted accounts whose secrets are gone from their stores. Answers how many went. */
export async function eraseAccounts(custody: Custody): Promise<number> {
  const { rows } = await sql<{
    tenant_id: string;
    id: string;
  }>`select * from clock.deleted_accounts(${mostAtOnce})`.execute(custody.db);
  let erased = 0;
  for (const { tenant_id, id } of rows) if (await eraseAccount(custody, tenant_id, id)) erased += 1;
  return erased;
}

async function eraseAccount(custody: Pick<Custody, "db">, tenantId: string, id: string): Promise<boolean> {
  const left = await readTenant(custody.db, serviceScope(tenantId), (tx) =>
    tx.selectFrom("credentials").select("id").where("account_id", "=", id).limit(1).executeTakeFirst(),
  );
  if (left !== undefined) return false;
  await change(custody.db, system(tenantId, "erase"), async (tx) => {
    await tx.deleteFrom("accounts").where("id", "=", id).execute();
    return { value: undefined, events: [{ event: "account.erased", detail: { account_id: id } }] };
  });
  return true;
}

/**
 * Ends deleted tenants in an order that leaves nothing readable behind: the secrets in their stores, then the data keys, then the
 * rows. The record stays. Answers how many are gone; one whose store does not answer is tried again.
 */
export async function eraseTenants(custody: Custody): Promise<number> {
  const { rows } = await sql<{
    tenant_id: string;
  }>`select * from clock.deleted_tenants(${mostAtOnce})`.execute(custody.db);
  let erased = 0;
  for (const { tenant_id } of rows) if (await eraseTenant(custody, tenant_id)) erased += 1;
  return erased;
}

async function eraseTenant(custody: Custody, tenantId: string): Promise<boolean> {
  await endCredentials(custody, tenantId);
  for (const id of await intentsOf(custody, tenantId)) {
    await destroyIntended(custody, tenantId, id).catch(() => undefined);
  }
  if ((await intentsOf(custody, tenantId)).length > 0) return false;
  await custody.dataKeys.destroyAll(tenantId);
  await change(custody.db, system(tenantId, "erase"), async (tx) => {
    await removeRows(tx);
    return { value: undefined, events: [{ event: "tenant.erased", detail: {} }] };
  });
  return true;
}

async function endCredentials(custody: Pick<Custody, "db">, tenantId: string): Promise<void> {
  const left = await readTenant(custody.db, serviceScope(tenantId), (tx) =>
    tx.selectFrom("credentials").select("id").where("deleted_at", "is", null).limit(1).executeTakeFirst(),
  );
  if (left === undefined) return;
  await change(custody.db, system(tenantId, "erase"), async (tx) => {
    const { events } = await endAll(tx, null);
    return { value: undefined, events: [{ event: "tenant.deleted", detail: {} }, ...events] };
  });
}

async function intentsOf(custody: Pick<Custody, "db">, tenantId: string): Promise<readonly string[]> {
  const rows = await readTenant(custody.db, serviceScope(tenantId), (tx) =>
    tx.selectFrom("intents").select("id").execute(),
  );
  return rows.map(({ id }) => id);
}

async function removeRows(tx: TenantTx): Promise<void> {
  await tx.deleteFrom("invocations").execute();
  await tx.deleteFrom("idempotency_keys").execute();
  await tx.deleteFrom("credentials").execute();
  await tx.deleteFrom("accounts").execute();
  await tx.deleteFrom("api_keys").execute();
  await tx.deleteFrom("members").execute();
  await tx.deleteFrom("tenants").execute();
}
