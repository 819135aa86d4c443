import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { serviceScope, type TenantTx, readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Custody } from "./custody.ts";
import { endAll } from "./delete-account.ts";
import { destroyIntended } from "./destroy.ts";
import { each, type Tally } from "./tally.ts";

type Needs = Pick<Custody, "db" | "stores"> & Readonly<{ dataKeys: Pick<Custody["dataKeys"], "destroyAll"> }>;

const mostAtOnce = 100;

type Due = Readonly<{ tenant_id: string; id: string }>;

/** Removes the rows of deleted accounts whose secrets are gone from their stores. */
export async function eraseAccounts(custody: Pick<Custody, "db">): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.deleted_accounts(${mostAtOnce})`.execute(custody.db);
  return each(rows, ({ tenant_id, id }) => eraseAccount(custody, tenant_id, id));
}

async function eraseAccount(custody: Pick<Custody, "db">, tenantId: string, id: string): Promise<void> {
  await changeUnlessDone(custody.db, system(tenantId, "erase"), async (tx) => {
    const gone = await tx
      .deleteFrom("accounts")
      .where("id", "=", id)
      .where((eb) =>
        eb.not(eb.exists(eb.selectFrom("credentials").select("id").where("account_id", "=", id))),
      )
      .executeTakeFirst();
    if (gone.numDeletedRows === 0n) return null;
    return { value: undefined, events: [{ event: "account.erased", detail: { account_id: id } }] };
  });
}

/**
 * Ends deleted tenants in an order that leaves nothing readable behind: the secrets in their stores, then the data keys, then the
 * rows. The record stays. One whose store does not answer is tried again.
 */
export async function eraseTenants(custody: Needs): Promise<Tally> {
  const { rows } = await sql<
    Pick<Due, "tenant_id">
  >`select * from clock.deleted_tenants(${mostAtOnce})`.execute(custody.db);
  return each(rows, ({ tenant_id }) => eraseTenant(custody, tenant_id));
}

async function eraseTenant(custody: Needs, tenantId: string): Promise<void> {
  await endCredentials(custody, tenantId);
  const intents = await intentsOf(custody, tenantId);
  const { failed } = await each(intents, (id) => destroyIntended(custody, tenantId, id));
  if (failed > 0) throw new KeyholdError("store_unavailable", "Not every secret could be destroyed yet.");
  await custody.dataKeys.destroyAll(tenantId);
  await changeUnlessDone(custody.db, system(tenantId, "erase"), async (tx) => {
    // Whoever was registering while the tenant was deleted may have come to an end meanwhile.
    if (await isAnythingLeft(tx)) return null;
    await removeRows(tx);
    return { value: undefined, events: [{ event: "tenant.erased", detail: {} }] };
  });
}

async function endCredentials(custody: Pick<Custody, "db">, tenantId: string): Promise<void> {
  await changeUnlessDone(custody.db, system(tenantId, "erase"), async (tx) => {
    const [first, ...others] = (await endAll(tx, null)).events;
    return first === undefined ? null : { value: undefined, events: [first, ...others] };
  });
}

/** Secrets that rest in a store, or may come to. */
async function isAnythingLeft(tx: TenantTx): Promise<boolean> {
  const credential = await tx
    .selectFrom("credentials")
    .select("id")
    .where("deleted_at", "is", null)
    .limit(1)
    .executeTakeFirst();
  const intent = await tx.selectFrom("intents").select("id").limit(1).executeTakeFirst();
  return credential !== undefined || intent !== undefined;
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
