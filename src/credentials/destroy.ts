import { sql } from "kysely";
import { randomUUID } from "node:crypto";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { byTenant, doRound, type Tally } from "../db/sweep.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { storeOf, troubleOf } from "./secret-store.ts";
import type { EndedVersion } from "./versions.ts";

type Needs = Pick<Custody, "db" | "stores">;

/** In the transaction that ends them: notes which versions must go from their store. Answers the intents' ids. */
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

/** What fails here stays an intent, which the reconciler finishes. After one failure the others are left to it as well. */
export async function destroyNow(
  custody: Needs,
  tenantId: string,
  intents: readonly string[],
): Promise<void> {
  try {
    for (const intent of intents) await destroyIntended(custody, tenantId, intent);
  } catch {
    // The versions are not in force any more, so the caller has nothing to be told.
  }
}

/**
 * Destroys what an intent names in its store, then ends the intent and records it. Can be repeated: a version that is gone
 * already counts as destroyed. Throws `store_unavailable` or `store_denied`, and then the intent stays.
 */
export async function destroyIntended(custody: Needs, tenantId: string, intentId: string): Promise<void> {
  const intent = await claim(custody, tenantId, intentId);
  if (intent === undefined) return;
  const store = storeOf(custody.stores, intent.store);
  const { credential_id, version, venue, environment } = intent;
  const gone = await store.destroy({ tenantId, credentialId: credential_id, version, venue, environment });
  if (gone.outcome !== "destroyed") throw troubleOf(store.name, gone);
  await changeUnlessDone(custody.db, system(tenantId, "destroy"), async (tx) => {
    // Of two who destroy the last versions of a credential, the second must see what the first has done.
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
 * The intent, for its destroyer: from here on its writer cannot activate what is destroyed next. A writer who is activating it
 * this moment wins, and there is no intent any more.
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

/** A deleted credential's row goes with its last version; what has no version left goes at once. */
export async function removeIfDeleted(tx: TenantTx, credentialId: string): Promise<void> {
  await tx
    .deleteFrom("credentials")
    .where("id", "=", credentialId)
    .where("deleted_at", "is not", null)
    // One that is only marked still has its versions.
    .where("status", "=", "revoked")
    .where((eb) =>
      eb.not(eb.exists(eb.selectFrom("intents").select("id").where("credential_id", "=", credentialId))),
    )
    .execute();
}

type DueIntent = Readonly<{ tenant_id: string; id: string }>;

/** A writer needs seconds; whoever left an intent for this long has died. */
const abandonedAfter = "2 minutes";
const mostAtOnce = 500;
/** A store that is slow for one tenant leaves room for the others. */
const round = { atOnce: 8, bounds: [byTenant(2)], roundMs: 45_000 };

/** Finishes or removes what a crash left between a store and the database. A second run right after changes nothing. */
export async function reconcile(custody: Custody): Promise<Tally> {
  const { rows } =
    await sql<DueIntent>`select * from clock.stale_intents(${abandonedAfter}::interval, ${mostAtOnce})`.execute(
      custody.db,
    );
  return doRound(rows, ({ tenant_id, id }) => destroyIntended(custody, tenant_id, id), round);
}
