import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { Tally } from "../db/tally.ts";
import { serviceScope, type TenantTx, readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Custody } from "./custody.ts";
import { destroyIntended } from "./destroy.ts";
import { endPortion } from "./end-portion.ts";
import { byTenant, doRound } from "./round.ts";

type Needs = Pick<Custody, "db" | "stores"> & Readonly<{ dataKeys: Pick<Custody["dataKeys"], "destroyAll"> }>;

const mostAtOnce = 100;
/** Credentials that end in one transaction: it holds the record for some milliseconds. */
const portionSize = 10;
/** A pause after each portion, as so many times its length: a large deletion takes a quarter of a processor at most. */
const restFor = 3;
const roundMs = 45_000;
/** One tenant's deletions are done in order: they would only wait for the same chain. */
const round = { atOnce: 4, bounds: [byTenant(1)], roundMs };

type Due = Readonly<{ tenant_id: string; id: string }>;

/** Ends what was deleted with its account, and removes the rows of accounts whose secrets are gone from their stores. */
export async function eraseAccounts(custody: Pick<Custody, "db" | "stores">): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.deleted_accounts(${mostAtOnce})`.execute(custody.db);
  const over = performance.now() + roundMs;
  return doRound(
    rows,
    async ({ tenant_id, id }) => {
      if (await endCredentials(custody, tenant_id, id, over)) await eraseAccount(custody, tenant_id, id);
    },
    round,
  );
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
  const over = performance.now() + roundMs;
  return doRound(rows, ({ tenant_id }) => eraseTenant(custody, tenant_id, over), round);
}

async function eraseTenant(custody: Needs, tenantId: string, over: number): Promise<void> {
  if (!(await endCredentials(custody, tenantId, null, over))) return;
  const intents = await intentsOf(custody, tenantId);
  const { done, failed } = await doRound(intents, (id) => destroyIntended(custody, tenantId, id), {
    atOnce: 1,
    bounds: [],
    roundMs: over - performance.now(),
  });
  if (failed > 0) throw new KeyholdError("store_unavailable", "Not every secret could be destroyed yet.");
  if (done < intents.length) return;
  await custody.dataKeys.destroyAll(tenantId);
  await changeUnlessDone(custody.db, system(tenantId, "erase"), async (tx) => {
    // Whoever was registering while the tenant was deleted may have come to an end meanwhile.
    if (await isAnythingLeft(tx)) return null;
    await removeRows(tx);
    return { value: undefined, events: [{ event: "tenant.erased", detail: {} }] };
  });
}

/** Portion after portion, until the round is over. Answers whether nothing is left. */
async function endCredentials(
  custody: Pick<Custody, "db" | "stores">,
  tenantId: string,
  accountId: string | null,
  over: number,
): Promise<boolean> {
  while (performance.now() < over) {
    const began = performance.now();
    const portion = { accountId, most: portionSize };
    if ((await endPortion(custody, system(tenantId, "erase"), portion)) < portionSize) return true;
    await sleep(restFor * (performance.now() - began));
  }
  return false;
}

/** Secrets that rest in a store, or may come to. */
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
