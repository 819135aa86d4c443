import { sql } from "kysely";
import { unpackRecord } from "../src/crypto/record.ts";
import { createVaultStore } from "../src/stores/vault.ts";
import { VaultClient } from "../src/stores/vault/client.ts";
import type { Installation } from "./installation.ts";
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
  installation: Pick<Installation, "ownerDb">,
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
  await sql`update credentials set store = 'vault'`.execute(installation.ownerDb);
  await sql`update credential_versions set store = 'vault'`.execute(installation.ownerDb);
  await sql`delete from sealed_secrets`.execute(installation.ownerDb);
}
