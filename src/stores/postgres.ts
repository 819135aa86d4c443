import { sql } from "kysely";
import { packRecord } from "../crypto/packed-fields.ts";
import type { Db } from "../db/connect.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { type Unavailable, unavailable } from "../remote/failure.ts";
import {
  assertRef,
  compare,
  found,
  type GetResult,
  type PutResult,
  type SealedFields,
  type SecretRef,
  type Store,
} from "./store.ts";

/**
 * Sealed secrets in the database of the service, one row for each version. Uses and reveals do not read here,
 * because the commit of their record returns the sealed bytes.
 */
export function createPostgresStore(db: Db): Store {
  const within = async <T>(ref: SecretRef, work: (tx: TenantTx) => Promise<T>): Promise<T | Unavailable> => {
    assertRef(ref);
    return withTenant(db, serviceScope(ref.tenantId), work).catch(() => unavailable("unreachable"));
  };

  return {
    name: "postgres",
    capabilities: { writes: true },
    put: (ref, fields) => within(ref, (tx) => put(tx, ref, fields)),
    get: (ref) => within(ref, (tx) => get(tx, ref)),
    destroy: (ref) =>
      within(ref, async (tx) => {
        await rowOf(tx, ref).execute();
        return { outcome: "destroyed" } as const;
      }),
    health: async () =>
      sql`select 1`
        .execute(db)
        .then(() => ({ outcome: "healthy" }) as const)
        .catch(() => unavailable("unreachable")),
  };
}

async function put(tx: TenantTx, ref: SecretRef, fields: SealedFields): Promise<PutResult> {
  const sealed = packRecord(fields);
  const { tenantId: tenant_id, credentialId: credential_id, version } = ref;
  const inserted = await tx
    .insertInto("sealed_secrets")
    .values({ tenant_id, credential_id, version, sealed })
    .onConflict((conflict) => conflict.columns(["credential_id", "version"]).doNothing())
    .executeTakeFirst();
  if (inserted.numInsertedOrUpdatedRows === 1n) return { outcome: "written" };
  return compare(await find(tx, ref), sealed);
}

async function get(tx: TenantTx, ref: SecretRef): Promise<GetResult> {
  const sealed = await find(tx, ref);
  return sealed === undefined ? { outcome: "absent" } : found(sealed);
}

async function find(tx: TenantTx, ref: SecretRef): Promise<Uint8Array | undefined> {
  const row = await tx
    .selectFrom("sealed_secrets")
    .select("sealed")
    .where("credential_id", "=", ref.credentialId)
    .where("version", "=", ref.version)
    .executeTakeFirst();
  return row?.sealed;
}

function rowOf(tx: TenantTx, ref: SecretRef) {
  return tx
    .deleteFrom("sealed_secrets")
    .where("credential_id", "=", ref.credentialId)
    .where("version", "=", ref.version);
}
