import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { assertScope, type Principal, system } from "../access/principal.ts";
import { type Answered, changeUnlessDone, type Nothing, nothing } from "../audit/change.ts";
import { byTenant, doRound, type Due, roundMs, sweep, type Tally } from "../db/sweep.ts";
import { readTenant, serviceScope, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { changeAccount } from "../tenants/account.ts";
import { freezesOf } from "../tenants/freeze.ts";
import type { Custody } from "./custody.ts";
import { destroyIntended, destroyNow } from "./destroy.ts";
import { end, revokedEvent } from "./revoke.ts";

/** Credentials that are ended before the request is answered; a job ends the others. */
const endedAtOnce = 20;

/**
 * Deletes an account. It stands here, and not with the tenants, because it ends with its credentials. One
 * short transaction marks it and everything below it; from then on nothing of it can be used or seen. Then
 * its credentials are revoked, recorded and destroyed in portions, so that no transaction holds the record
 * for long.
 */
export async function deleteAccount(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "accounts:write");
  // It revokes.
  assertScope(principal, "credentials:write");
  return changeAccount(custody.db, principal, { id, action: "delete" }, async (tx) => {
    const credentials = await markDeleted(tx, id);
    await tx
      .updateTable("accounts")
      .set({ deleted_at: sql`now()`, active: false })
      .where("id", "=", id)
      .execute();
    return {
      value: nothing,
      events: [{ event: "account.deleted", detail: { account_id: id, credentials } }],
      // What fails from here on, the job does.
      after: async () => void (await endPortion(custody, principal, id, endedAtOnce).catch(() => undefined)),
    };
  });
}

/** Returns how many credentials there were that are not revoked yet. */
async function markDeleted(tx: TenantTx, accountId: string): Promise<number> {
  const marked = await tx
    .updateTable("credentials")
    .set({ deleted_at: sql`now()` })
    .where("account_id", "=", accountId)
    .where("deleted_at", "is", null)
    .returning("status")
    .execute();
  // The row of a credential that was revoked before, and is gone from its store, has nothing left to wait
  // for.
  await sql`delete from credentials c where c.account_id = ${accountId} and c.status = 'revoked'
    and not exists (select from intents i where i.credential_id = c.id)`.execute(tx);
  return marked.filter(({ status }) => status !== "revoked").length;
}

/**
 * Revokes and records some of the credentials that were deleted with their account, or with their tenant when
 * `accountId` is `null`. Then has their secrets destroyed; the reconciler repeats what a store does not do
 * now. Returns how many there were: fewer than `limit` when nothing is left.
 */
async function endPortion(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  accountId: string | null,
  limit: number,
): Promise<number> {
  const intents: string[] = [];
  let count = 0;
  await changeUnlessDone(custody.db, principal, async (tx) => {
    const rows = await lockUnended(tx, accountId, limit);
    for (const row of rows) intents.push(...(await end(tx, row, row.deleted_at ?? row.now)).intents);
    count = rows.length;
    const [first, ...others] = rows.map(({ id }) => revokedEvent(id));
    return first === undefined ? null : { value: undefined, events: [first, ...others] };
  });
  await destroyNow(custody, principal.tenantId, intents);
  return count;
}

async function lockUnended(tx: TenantTx, accountId: string | null, limit: number) {
  return tx
    .selectFrom("credentials")
    .selectAll()
    .select(freezesOf("credentials").as("freezes"))
    .select(sql<Date>`now()`.as("now"))
    .where("status", "<>", "revoked")
    .$if(accountId !== null, (query) => query.where("account_id", "=", accountId ?? ""))
    .orderBy("id")
    .limit(limit)
    .forUpdate()
    .execute();
}

const batchSize = 100;
/** Credentials that end in one transaction: it holds the record for some milliseconds. */
const portionSize = 10;
/**
 * A pause after each portion, as so many times its length: a large deletion takes a quarter of a processor at
 * most.
 */
const restFor = 3;
/** One tenant's deletions are done in order: they would only wait for the same chain. */
const limits = { atOnce: 4, bounds: [byTenant(1)], roundMs };

/**
 * Ends the credentials of deleted accounts, and removes the rows of accounts whose secrets are gone from
 * their stores.
 */
export async function eraseAccounts(custody: Pick<Custody, "db" | "stores">): Promise<Tally> {
  const over = performance.now() + roundMs;
  const due = sql<Due>`select * from clock.deleted_accounts(${batchSize})`;
  const erase = async ({ tenant_id, id }: Due): Promise<void> => {
    if (await endCredentials(custody, tenant_id, id, over)) await eraseAccount(custody, tenant_id, id);
  };
  return sweep(custody.db, due, erase, limits);
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
 * Ends deleted tenants in an order that leaves nothing readable behind: the secrets in their stores, then the
 * data keys, then the rows. The record stays. A tenant whose store does not answer is tried again.
 */
export async function eraseTenants(
  custody: Pick<Custody, "db" | "stores"> & Readonly<{ dataKeys: Pick<Custody["dataKeys"], "destroyAll"> }>,
): Promise<Tally> {
  const over = performance.now() + roundMs;
  const due = sql<Pick<Due, "tenant_id">>`select * from clock.deleted_tenants(${batchSize})`;
  return sweep(custody.db, due, ({ tenant_id }) => eraseTenant(custody, tenant_id, over), limits);
}

async function eraseTenant(
  custody: Parameters<typeof eraseTenants>[0],
  tenantId: string,
  over: number,
): Promise<void> {
  if (!(await endCredentials(custody, tenantId, null, over))) return;
  const intents = await intentsOf(custody, tenantId);
  const { done, failed } = await doRound(intents, (id) => destroyIntended(custody, tenantId, id), {
    roundMs: over - performance.now(),
  });
  if (failed > 0) throw new KeyholdError("store_unavailable", "Not every secret could be destroyed yet.");
  if (done < intents.length) return;
  await custody.dataKeys.destroyAll(tenantId);
  await changeUnlessDone(custody.db, system(tenantId, "erase"), async (tx) => {
    // A registration that was under way while the tenant was deleted may have ended meanwhile.
    if (await isAnythingLeft(tx)) return null;
    await removeRows(tx);
    return { value: undefined, events: [{ event: "tenant.erased", detail: {} }] };
  });
}

/** Portion after portion, until the round is over. Returns whether nothing is left. */
async function endCredentials(
  custody: Pick<Custody, "db" | "stores">,
  tenantId: string,
  accountId: string | null,
  over: number,
): Promise<boolean> {
  while (performance.now() < over) {
    const began = performance.now();
    const count = await endPortion(custody, system(tenantId, "erase"), accountId, portionSize);
    if (count < portionSize) return true;
    await sleep(restFor * (performance.now() - began));
  }
  return false;
}

/** Whether a secret rests in a store, or may come to. */
async function isAnythingLeft(tx: TenantTx): Promise<boolean> {
  const credential = await tx
    .selectFrom("credentials")
    .select("id")
    .where("status", "<>", "revoked")
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
