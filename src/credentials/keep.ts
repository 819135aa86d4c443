import { randomUUID } from "node:crypto";
import type { Principal } from "../access/principal.ts";
import { change, type Changed } from "../audit/change.ts";
import { seal, type Sealed } from "../crypto/envelope.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { SecretRef, Store } from "../stores/store.ts";
import type { Environment, SecretFields } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { destroyIntended } from "./destroy.ts";

export type NewVersion = Readonly<{
  kind: "register" | "replace";
  ref: SecretRef & Readonly<{ environment: Environment }>;
  fields: SecretFields;
}>;

type Needs = Pick<Custody, "db" | "dataKeys" | "stores">;

/**
 * Seals a new version and keeps it, in an order that a crash cannot turn into a loss:
 *
 * 1. an intent says what is about to be written (committed);
 * 2. the sealed bytes go to the store, write-once;
 * 3. they are read back and compared;
 * 4. `activate` points the credential at them, together with the end of the intent and the record, in one transaction.
 *
 * A process that dies before 4 leaves an intent, which the reconciler finds: it removes what was written.
 */
export async function keepVersion<T>(
  custody: Needs,
  principal: Principal,
  version: NewVersion,
  activate: (tx: TenantTx, dataKeyId: string) => Promise<Changed<T>>,
): Promise<T> {
  const { ref } = version;
  const store = custody.stores.first;
  const key = await custody.dataKeys.active(ref.tenantId);
  const sealed = new Map<string, Sealed>();
  for (const [field, secret] of version.fields) {
    const { tenantId, credentialId, version } = ref;
    sealed.set(field, seal(key, { tenantId, credentialId, version, field }, secret));
  }
  const intentId = await declare(custody, version, store);
  try {
    await write(store, ref, sealed);
    return await change(custody.db, principal, async (tx) => {
      await endIntent(tx, intentId);
      return activate(tx, key.id);
    });
  } catch (error) {
    // Undo at once where that is possible; what fails here stays an intent and is undone by the reconciler.
    await destroyIntended(custody, ref.tenantId, intentId).catch(() => undefined);
    throw error;
  }
}

async function declare(custody: Needs, { kind, ref }: NewVersion, store: Store): Promise<string> {
  const id = randomUUID();
  await withTenant(custody.db, serviceScope(ref.tenantId), (tx) =>
    tx
      .insertInto("intents")
      .values({
        tenant_id: ref.tenantId,
        id,
        kind,
        credential_id: ref.credentialId,
        version: ref.version,
        store: store.name,
        venue: ref.venue,
        environment: ref.environment,
      })
      .execute(),
  );
  return id;
}

async function write(store: Store, ref: SecretRef, sealed: ReadonlyMap<string, Sealed>): Promise<void> {
  const put = await store.put(ref, sealed);
  if (put.outcome === "denied")
    throw new KeyholdError("store_denied", "The secret store refused Keyhold. Tell the operator.");
  if (put.outcome !== "written") throw notKept(put.outcome);
  const back = await store.get(ref);
  if (back.outcome !== "found") throw notKept(back.outcome);
  for (const [name, bytes] of sealed) {
    const kept = back.fields.get(name);
    if (kept === undefined || Buffer.compare(kept, bytes) !== 0) throw notKept("different");
  }
}

/** The reconciler may have been faster: then this write is void. */
async function endIntent(tx: TenantTx, intentId: string): Promise<void> {
  const { numDeletedRows } = await tx
    .deleteFrom("intents")
    .where("id", "=", intentId)
    .where("kind", "<>", "destroy")
    .executeTakeFirst();
  if (numDeletedRows !== 1n) throw notKept("abandoned");
}

function notKept(reason: string): KeyholdError {
  return new KeyholdError(
    "store_unavailable",
    "The secret could not be stored, and nothing was kept. Try again later.",
    {
      facts: { reason },
    },
  );
}
