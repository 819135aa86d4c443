import { sql } from "kysely";
import { system } from "../src/access/principal.ts";
import { change } from "../src/audit/change.ts";
import { unpackRecord } from "../src/crypto/packed-fields.ts";
import type { Db } from "../src/db/connect.ts";
import { createVaultStore } from "../src/stores/vault.ts";
import { VaultClient } from "../src/vault/client.ts";
import type { Installation } from "../testkit/embedded-installation.ts";
import type { VaultNode } from "./vault-node.ts";

const atOnce = 16;

type Row = Readonly<{
  tenant_id: string;
  credential_id: string;
  version: number;
  sealed: Uint8Array;
  venue: string;
  environment: string;
}>;

/** Moves every sealed secret of an installation to Vault as it is: quicker than the verb, which seals each anew. */
export async function moveToVault(
  installation: Pick<Installation, "db" | "ownerDb">,
  { origin, tokenFile }: VaultNode,
): Promise<void> {
  const client = new VaultClient({ addresses: [origin], auth: { method: "token", tokenFile } });
  const store = createVaultStore(client);
  const { rows } =
    await sql<Row>`select s.tenant_id, s.credential_id, s.version, s.sealed, c.venue, c.environment
    from sealed_secrets s join credentials c on c.id = s.credential_id`.execute(installation.ownerDb);
  const left = rows.values();
  const work = async (): Promise<void> => {
    for (const { tenant_id: tenantId, credential_id: credentialId, sealed, ...place } of left) {
      const { outcome } = await store.put({ tenantId, credentialId, ...place }, unpackRecord(sealed));
      if (outcome !== "written") throw new Error(`Vault did not take a secret: ${outcome}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, work));
  } finally {
    await client.close();
  }
  for (const tenantId of new Set(rows.map((row) => row.tenant_id)))
    await pointToVault(installation.db, tenantId);
  await sql`delete from sealed_secrets`.execute(installation.ownerDb);
}

async function pointToVault(db: Db, tenantId: string): Promise<void> {
  await change(db, system(tenantId, "bench"), async (tx) => {
    await sql`update credentials set store = 'vault'`.execute(tx);
    await sql`update credential_versions set store = 'vault'`.execute(tx);
    return { value: {}, events: [{ event: "tenant.updated", detail: { changed: ["store"] } }] };
  });
}
