import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { each, type Tally } from "../db/sweep.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";

const rowsAtOnce = 500;
const tenantsAtOnce = 100;

/**
 * Signs the rights that an earlier version wrote, which signed none: tenant by tenant, in portions that can
 * be interrupted and repeated, the tenant's own row last. From then on the record names that row, and no row
 * without a MAC is signed for this tenant.
 */
export async function signExisting(custody: Readonly<{ db: Db; dataKeys: DataKeySource }>): Promise<Tally> {
  return each(unsignedTenants(custody.db), (id) => signTenant(custody, id));
}

async function* unsignedTenants(db: Db): AsyncGenerator<string> {
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const { rows } = await sql<{ tenant_id: string }>`
      select * from grants.unsigned_tenants(${after}::uuid, ${tenantsAtOnce})`.execute(db);
    const last = rows.at(-1);
    if (last === undefined) return;
    for (const { tenant_id: id } of rows) yield id;
    after = last.tenant_id;
  }
}

async function signTenant(
  { db, dataKeys }: Parameters<typeof signExisting>[0],
  tenantId: string,
): Promise<void> {
  // Makes the tenant's key for MACs, if it has none, before its row is held.
  await dataKeys.mac(tenantId, "grant", new Uint8Array(0));
  while ((await signPortion(db, tenantId)) === rowsAtOnce);
}

/** Returns how many rows it has signed. */
async function signPortion(db: Db, tenantId: string): Promise<number> {
  let count = 0;
  await changeUnlessDone(db, system(tenantId, "sign-rights"), async (tx) => {
    const { rows } = await sql<{ count: number }>`
      select grants.gather_unsigned(${tenantId}::uuid, ${rowsAtOnce}) as count`.execute(tx);
    count = rows[0]?.count ?? 0;
    return count === 0 ? null : { value: undefined, events: [{ event: "rights.signed", detail: { count } }] };
  });
  return count;
}
