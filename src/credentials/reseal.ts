import { sql } from "kysely";
import { type System, system } from "../access/principal.ts";
import { type Nothing, nothing } from "../audit/change.ts";
import type { StoreName } from "../config/stores.ts";
import type { Db } from "../db/connect.ts";
import { byTenant, doRound, type Due, roundMs, type Tally } from "../db/sweep.ts";
import type { Store } from "../stores/store.ts";
import type { Custody } from "./custody.ts";
import { putInForce } from "./keep.ts";
import { type Opened, openSecret, useOf } from "./open.ts";
import { storeOf } from "./secret.ts";
import { endVersion } from "./versions.ts";

/**
 * Keeps the same secret anew: under the tenant's present data key, in the store `to`, or where it is when
 * that is left out. Data keys are rotated and stores are changed in this way, one credential at a time, while
 * it is in use. The secret gets a new version, because a version is written once, and the old one is
 * destroyed. A credential that is frozen or switched off is resealed too, a revoked one is not. Throws
 * `stale` when the credential changed meanwhile, and as `use` and `register` do about stores, keys and the
 * record.
 */
export async function reseal(
  custody: Pick<Custody, "db" | "dataKeys" | "disclosures" | "stores">,
  tenantId: string,
  credentialId: string,
  to?: Store,
): Promise<void> {
  const principal = system(tenantId, "reseal");
  const request = useOf(principal, credentialId, "reseal", { purpose: "reseal" });
  await openSecret(custody, request, (opened) =>
    keepAnew(custody, principal, credentialId, to ?? placeOf(custody, opened), opened),
  );
}

/** The store that has the secret, or the first one if that takes nothing. */
function placeOf({ stores }: Pick<Custody, "stores">, { disclosure }: Opened): Store {
  const store = storeOf(stores, disclosure.store);
  return store.capabilities.writes ? store : stores.first;
}

async function keepAnew(
  custody: Pick<Custody, "db" | "dataKeys" | "stores">,
  principal: System,
  credentialId: string,
  store: Store,
  { disclosure, fields }: Opened,
): Promise<Nothing> {
  const { venue, environment, revision } = disclosure;
  const seen = { tenant_id: principal.tenantId, id: credentialId, venue, environment, revision };
  return putInForce(custody, principal, seen, { kind: "reseal", fields, store }, async (tx, row, version) => {
    const ended = await endVersion(tx, credentialId, row.version);
    return {
      ended,
      changes: {},
      keySince: ended[0]?.key_since,
      async conclude() {
        await tx
          .updateTable("rotations")
          .set({ to_version: version })
          .where("credential_id", "=", credentialId)
          .where("to_version", "=", row.version)
          .execute();
        const detail = { credential_id: credentialId, version, store: store.name };
        return { value: nothing, events: [{ event: "credential.resealed", detail }] };
      },
    };
  });
}

/** Each costs a write to the store, a destruction, and four commits. */
const batchSize = 200;

/** Continues a rotation of data keys that was cut off, or that the clock began. */
export async function resealDue(custody: Custody): Promise<Tally> {
  const due = await underRetiredKeys(custody.db, batchSize);
  const limits = { atOnce: 4, bounds: [byTenant(1)], roundMs };
  return doRound(due, ({ tenant_id, id }) => reseal(custody, tenant_id, id), limits);
}

/** Credentials whose present version is sealed with a data key that has a successor; at most `limit`. */
export async function underRetiredKeys(db: Db, limit: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`select * from clock.credentials_under_retired_keys(${limit})`.execute(db);
  return rows;
}

/** A credential, and where the version that is in force lies. */
export type Placed = Due & Readonly<{ venue: string; environment: string; version: number }>;

/** Credentials whose present version rests in this store; at most `limit`. */
export async function inStore(db: Db, store: StoreName, limit: number): Promise<readonly Placed[]> {
  const { rows } = await sql<Placed>`select * from clock.credentials_in_store(${store}, ${limit})`.execute(
    db,
  );
  return rows;
}
