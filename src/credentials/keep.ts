import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Principal } from "../access/principal.ts";
import { stale } from "../audit/change-locked.ts";
import { type Answered, change, type Changed, type Recorded } from "../audit/change.ts";
import { seal, type Sealed } from "../crypto/envelope.ts";
import type { DataKey } from "../crypto/keys.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { SecretRef, Store } from "../stores/store.ts";
import type { Environment, SecretFields } from "../venues/venue.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { destroyIntended, destroyNow, intendDestruction } from "./destroy.ts";
import { type Changes, lockCredential, type LockedRow, updateCredential } from "./rows.ts";
import { troubleOf } from "./secret.ts";
import { type EndedVersion, insertVersion } from "./versions.ts";

type NewVersion = Readonly<{
  kind: "register" | "replace" | "rotate" | "reseal";
  /** The first version of a new credential, or the next of one that is kept. */
  of: Omit<SecretRef, "version"> & Readonly<{ environment: Environment }>;
  fields: SecretFields;
  /** The first when left out. */
  store?: Store;
}>;

/**
 * Seals a new version and keeps it, in an order that a crash cannot turn into a loss:
 *
 * 1. the store is asked whether it takes anything: in some stores an unused number leaves a hole;
 * 2. an intent says what will be written, under a number that no writer had before (committed);
 * 3. the sealed bytes go to the store, write-once;
 * 4. they are read back and compared;
 * 5. `activate` points the credential at them, in one transaction with the end of the intent and the record.
 *
 * A process that dies before 5 leaves an intent. The reconciler finds it and removes what was written.
 */
export async function keepVersion<T extends object>(
  custody: Pick<Custody, "db" | "dataKeys" | "stores">,
  principal: Principal,
  { kind, of, fields, store = custody.stores.first }: NewVersion,
  activate: (tx: TenantTx, kept: Readonly<{ version: number; dataKeyId: string }>) => Promise<Changed<T>>,
): Promise<Answered<T>> {
  await assertTakes(store);
  const key = await custody.dataKeys.toSeal(of.tenantId, fields.size);
  const intent = await declare(custody, kind, of, store);
  try {
    await write(store, intent.ref, sealAll(key, intent.ref, fields));
    return await change(custody.db, principal, async (tx) => {
      await endIntent(tx, intent.id);
      return activate(tx, { version: intent.ref.version, dataKeyId: key.id });
    });
  } catch (error) {
    // If this fails as well, the intent stays, and the reconciler undoes what was written.
    await undo(custody, store, intent, error).catch(() => undefined);
    throw error;
  }
}

/** What takes the place of the version in force. */
type Replacement<T> = Readonly<{
  /** The versions that end now. */
  ended: readonly EndedVersion[];
  changes: Changes;
  /** For a key that Keyhold had before. */
  keySince?: Date | undefined;
  /** The rest of the transaction. */
  conclude: (updated: CredentialRow) => Promise<Recorded<T>>;
}>;

/**
 * Keeps a new version of a credential that is there, and puts it in force if the credential still has the
 * revision that was seen. Once the row is held, `decide` says what becomes of the old version and of the row.
 * What ends is destroyed after the commit. Throws `stale`, and what `keepVersion` throws.
 */
export async function putInForce<T extends object>(
  custody: Pick<Custody, "db" | "dataKeys" | "stores">,
  principal: Principal,
  seen: Pick<CredentialRow, "tenant_id" | "id" | "venue" | "environment" | "revision">,
  { kind, fields, store = custody.stores.first }: Pick<NewVersion, "kind" | "fields" | "store">,
  decide: (tx: TenantTx, row: LockedRow, version: number) => Promise<Replacement<T>>,
): Promise<Answered<T>> {
  const { tenant_id: tenantId, id, venue, environment } = seen;
  const of = { tenantId, credentialId: id, venue, environment };
  return keepVersion(custody, principal, { kind, of, fields, store }, async (tx, { version, dataKeyId }) => {
    const row = await lockCredential(tx, id);
    if (row?.revision !== seen.revision) throw stale(row?.revision ?? seen.revision);
    const { ended, changes, keySince, conclude } = await decide(tx, row, version);
    const intents = await intendDestruction(tx, row, ended);
    const updated = await updateCredential(tx, id, { ...changes, version, store: store.name });
    await insertVersion(tx, updated, dataKeyId, keySince);
    return { ...(await conclude(updated)), after: () => destroyNow(custody, tenantId, intents) };
  });
}

async function assertTakes(store: Store): Promise<void> {
  const health = await store.health();
  if (health.outcome !== "healthy") throw troubleOf(store.name, health);
}

async function declare(
  { db }: Pick<Custody, "db">,
  kind: NewVersion["kind"],
  of: NewVersion["of"],
  store: Store,
): Promise<Readonly<{ id: string; ref: SecretRef }>> {
  const id = randomUUID();
  const { tenantId, credentialId, venue, environment } = of;
  const version = await withTenant(db, serviceScope(tenantId), async (tx) => {
    const number = kind === "register" ? 1 : await nextVersion(tx, credentialId);
    await tx
      .insertInto("intents")
      .values({
        tenant_id: tenantId,
        id,
        kind,
        credential_id: credentialId,
        version: number,
        store: store.name,
        venue,
        environment,
      })
      .execute();
    return number;
  });
  return { id, ref: { ...of, version } };
}

/** Two writers at once get two numbers: one is put in force, and the other removes its own bytes alone. */
async function nextVersion(tx: TenantTx, credentialId: string): Promise<number> {
  const row = await tx
    .updateTable("credentials")
    .set({ last_version: sql`last_version + 1` })
    .where("id", "=", credentialId)
    .where("deleted_at", "is", null)
    .returning("last_version")
    .executeTakeFirst();
  if (row === undefined) throw new KeyholdError("not_found", "There is no such credential any more.");
  return row.last_version;
}

function sealAll(key: DataKey, ref: SecretRef, fields: SecretFields): ReadonlyMap<string, Sealed> {
  const { tenantId, credentialId, version } = ref;
  return new Map(
    [...fields].map(([field, secret]) => [
      field,
      seal(key, { tenantId, credentialId, version, field }, secret),
    ]),
  );
}

async function write(store: Store, ref: SecretRef, sealed: ReadonlyMap<string, Sealed>): Promise<void> {
  const put = await store.put(ref, sealed);
  if (put.outcome === "unavailable" || put.outcome === "denied") throw troubleOf(store.name, put);
  if (put.outcome !== "written") throw notKept(put.outcome);
  const back = await store.get(ref);
  if (back.outcome === "unavailable" || back.outcome === "denied") throw troubleOf(store.name, back);
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
  if (numDeletedRows !== 1n) throw notKept(abandoned);
}

async function undo(
  custody: Pick<Custody, "db" | "stores">,
  store: Store,
  { id, ref }: Readonly<{ id: string; ref: SecretRef }>,
  reason: unknown,
): Promise<void> {
  await destroyIntended(custody, ref.tenantId, id);
  // A writer that slept may have written after the reconciler. No other writer has this number.
  if (reason instanceof KeyholdError && reason.facts["reason"] === abandoned) await store.destroy(ref);
}

const abandoned = "abandoned";

function notKept(reason: string): KeyholdError {
  return new KeyholdError(
    "store_unavailable",
    "The secret could not be stored, and nothing was kept. Try again later.",
    { facts: { reason } },
  );
}
