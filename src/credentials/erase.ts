import { sql } from "kysely";
import { setTimeout as sleep } from "node:timers/promises";
import { assertScope, type Principal, system } from "../access/principal.ts";
import { type Answered, changeUnlessDone, type Nothing, nothing } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import { byTenant, doRound, type Tally } from "../db/sweep.ts";
import { readTenant, serviceScope, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { changeAccount } from "../tenants/accounts/account.ts";
import { freezesOf } from "../tenants/freezes.ts";
import type { Custody } from "./custody.ts";
import { destroyIntended, destroyNow } from "./destroy.ts";
import { end } from "./revoke.ts";

/** So many are ended before the request is answered; a job ends the others. */
const endedAtOnce = 20;

/**
 * Deletes an account. One short transaction marks it and everything below it, and from then on nothing of it can be used or seen.
 * Then its credentials are revoked, recorded and destroyed in portions, so that no transaction holds the record for long.
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
      after: async () => {
        await endPortion(custody, principal, { accountId: id, most: endedAtOnce }).catch(() => undefined);
      },
    };
  });
}

/** Answers how many credentials there were that are not revoked yet. */
async function markDeleted(tx: TenantTx, accountId: string): Promise<number> {
  const marked = await tx
    .updateTable("credentials")
    .set({ deleted_at: sql`now()` })
    .where("account_id", "=", accountId)
    .where("deleted_at", "is", null)
    .returning("status")
    .execute();
  // What was revoked before, and is gone from its store, has nothing left that its row must wait for.
  await sql`delete from credentials c where c.account_id = ${accountId} and c.status = 'revoked'
    and not exists (select from intents i where i.credential_id = c.id)`.execute(tx);
  return marked.filter(({ status }) => status !== "revoked").length;
}

/** Of one account, or of the whole tenant with `null`. */
type Portion = Readonly<{ accountId: string | null; most: number }>;

/**
 * Revokes and records some credentials that were deleted with what they belonged to, then has their secrets destroyed; what a store
 * does not do now, the reconciler asks for again. Answers how many there were: fewer than `most` when nothing is left.
 */
export async function endPortion(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  portion: Portion,
): Promise<number> {
  const intents: string[] = [];
  let ended = 0;
  await changeUnlessDone(custody.db, principal, async (tx) => {
    const portionEnded = await endSome(tx, portion);
    const [first, ...others] = portionEnded.events;
    if (first === undefined) return null;
    intents.push(...portionEnded.intents);
    ended = portionEnded.events.length;
    return { value: undefined, events: [first, ...others] };
  });
  await destroyNow(custody, principal.tenantId, intents);
  return ended;
}

async function endSome(
  tx: TenantTx,
  { accountId, most }: Portion,
): Promise<Readonly<{ intents: readonly string[]; events: readonly AuditEvent[] }>> {
  const rows = await tx
    .selectFrom("credentials")
    .selectAll()
    .select(freezesOf("credentials").as("freezes"))
    .select(sql<Date>`now()`.as("now"))
    .where("status", "<>", "revoked")
    .$if(accountId !== null, (query) => query.where("account_id", "=", accountId ?? ""))
    .orderBy("id")
    .limit(most)
    .forUpdate()
    .execute();
  const intents: string[] = [];
  const events: AuditEvent[] = [];
  for (const row of rows) {
    intents.push(...(await end(tx, row, row.deleted_at ?? row.now)).intents);
    events.push({ event: "credential.revoked", detail: { credential_id: row.id } });
  }
  return { intents, events };
}

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
