import { sql } from "kysely";
import { type System, system } from "../access/principal.ts";
import { type Nothing, nothing } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { byTenant, doRound, type Tally } from "../db/sweep.ts";
import type { Store, StoreName } from "../stores/store.ts";
import type { Custody } from "./custody.ts";
import { putInForce } from "./keep.ts";
import { type Opened, openSecret, useOf } from "./open.ts";
import { storeOf } from "./secret-store.ts";
import { endVersion } from "./versions.ts";

type Needs = Pick<Custody, "db" | "dataKeys" | "disclosures" | "stores">;

/**
 * Keeps the same secret anew: under the tenant's present data key, in the store `to`, or where it is when that is left out. So data
 * keys are rotated and stores are changed, one credential at a time, while it is in use. It gets a new version, because a version is
 * written once, and the old one is destroyed. Works on whatever is not revoked, frozen or switched off as it may be.
 * Throws `stale` when the credential changed meanwhile, and as `use` and `register` do about stores, keys and the record.
 */
export async function reseal(
  custody: Needs,
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

/** Where the secret is; what is read-only goes to the first store. */
function placeOf({ stores }: Needs, { disclosure }: Opened): Store {
  const store = storeOf(stores, disclosure.store);
  return store.capabilities.writes ? store : stores.first;
}

async function keepAnew(
  custody: Needs,
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

type Due = Readonly<{ tenant_id: string; id: string }>;

/** Each costs a write to the store, a destruction, and four commits. */
const mostAtOnce = 200;
const round = { atOnce: 4, bounds: [byTenant(1)], roundMs: 45_000 };

/** Goes on with a rotation of data keys that was cut off, or that the clock began. */
export async function resealDue(custody: Custody): Promise<Tally> {
  const due = await underRetiredKeys(custody.db, mostAtOnce);
  return doRound(due, ({ tenant_id, id }) => reseal(custody, tenant_id, id), round);
}

/** Credentials whose present version is sealed with a data key that has a successor. */
export async function underRetiredKeys(db: Db, most: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`select * from clock.credentials_under_retired_keys(${most})`.execute(db);
  return rows;
}

/** A credential, and where the version that is in force lies. */
export type Placed = Due & Readonly<{ venue: string; environment: string; version: number }>;

/** Credentials whose present version rests in this store. */
export async function inStore(db: Db, store: StoreName, most: number): Promise<readonly Placed[]> {
  const { rows } = await sql<Placed>`select * from clock.credentials_in_store(${store}, ${most})`.execute(db);
  return rows;
}
