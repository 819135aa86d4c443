import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { byTenant, type Due, roundMs, sweep, type Tally } from "../db/sweep.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { storeOf, troubleOf } from "./secret.ts";
import type { EndedVersion } from "./versions.ts";

/**
 * In the transaction that ends versions: writes down that they must go from their store. Returns the intents'
 * ids.
 */
export async function intendDestruction(
  tx: TenantTx,
  row: CredentialRow,
  versions: readonly EndedVersion[],
): Promise<readonly string[]> {
  if (versions.length === 0) return [];
  const intents = versions.map(({ version, store }) => ({
    tenant_id: row.tenant_id,
    id: randomUUID(),
    kind: "destroy" as const,
    credential_id: row.id,
    version,
    store,
    venue: row.venue,
    environment: row.environment,
  }));
  await tx.insertInto("intents").values(intents).execute();
  return intents.map(({ id }) => id);
}

/** Destroys what can be destroyed now. After one failure the rest stays intents, which the reconciler finishes. */
export async function destroyNow(
  custody: Pick<Custody, "db" | "stores">,
  tenantId: string,
  intents: readonly string[],
): Promise<void> {
  try {
    for (const intent of intents) await destroyIntended(custody, tenantId, intent);
  } catch {
    // The versions are no longer in force, so the failure is no concern of the caller.
  }
}

/**
 * Destroys what an intent names in its store, then ends the intent and records it. Can be repeated: a version
 * that is gone already counts as destroyed. Throws `store_unavailable` or `store_denied`, and then the intent
 * stays.
 */
export async function destroyIntended(
  custody: Pick<Custody, "db" | "stores">,
  tenantId: string,
  intentId: string,
): Promise<void> {
  const intent = await claim(custody, tenantId, intentId);
  if (intent === undefined) return;
  const store = storeOf(custody.stores, intent.store);
  const { credential_id, version, venue, environment } = intent;
  const gone = await store.destroy({ tenantId, credentialId: credential_id, version, venue, environment });
  if (gone.outcome !== "destroyed") throw troubleOf(store.name, gone);
  await changeUnlessDone(custody.db, system(tenantId, "destroy"), async (tx) => {
    // Of two processes that destroy the last versions of a credential, the second must see what the first has
    // done.
    await tx.selectFrom("credentials").select("id").where("id", "=", credential_id).forUpdate().execute();
    const { numDeletedRows } = await tx.deleteFrom("intents").where("id", "=", intentId).executeTakeFirst();
    if (numDeletedRows === 0n) return null;
    await removeIfDeleted(tx, credential_id);
    return {
      value: undefined,
      events: [{ event: "credential.version_destroyed", detail: { credential_id, version } }],
    };
  });
}

/**
 * Claims the intent: from here on its writer cannot put in force what is destroyed next. A writer that is
 * doing so at this moment wins, and there is no intent any more.
 */
async function claim(custody: Pick<Custody, "db">, tenantId: string, intentId: string) {
  return withTenant(custody.db, serviceScope(tenantId), (tx) =>
    tx
      .updateTable("intents")
      .set({ kind: "destroy" })
      .where("id", "=", intentId)
      .returningAll()
      .executeTakeFirst(),
  );
}

/** The row of a deleted credential goes with its last version; a row that has no version left goes at once. */
export async function removeIfDeleted(tx: TenantTx, credentialId: string): Promise<void> {
  await tx
    .deleteFrom("credentials")
    .where("id", "=", credentialId)
    .where("deleted_at", "is not", null)
    // A credential that is only marked as deleted still has its versions.
    .where("status", "=", "revoked")
    .where((eb) =>
      eb.not(eb.exists(eb.selectFrom("intents").select("id").where("credential_id", "=", credentialId))),
    )
    .execute();
}

/** A writer needs seconds. If an intent is this old, the process that wrote it has died. */
const abandonedAfter = "2 minutes";
const batchSize = 500;

/**
 * Finishes or removes what a crash left between a store and the database. A second run right after changes
 * nothing.
 */
export async function reconcile(custody: Pick<Custody, "db" | "stores">): Promise<Tally> {
  return sweep(
    custody.db,
    sql<Due>`select * from clock.stale_intents(${abandonedAfter}::interval, ${batchSize})`,
    ({ tenant_id, id }) => destroyIntended(custody, tenant_id, id),
    // A store that is slow for one tenant leaves room for the others.
    { atOnce: 8, bounds: [byTenant(2)], roundMs },
  );
}
