import { randomUUID } from "node:crypto";
import { describe } from "vitest";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/stores/vault/client.ts";
import type { SecretRef } from "../../src/stores/store.ts";
import { storeContract } from "../contracts/store-contract.ts";
import {
  arranged,
  createAppRole,
  loginWith,
  mountSecrets,
  servicePolicy,
  settingsFor,
} from "../support/vault-service.ts";
import { findVault, startVault } from "../support/vault.ts";

const program = findVault();

describe.skipIf(program === null)("with a real node", () => {
  storeContract("vault", { writes: true }, async () => {
    const vault = await startVault(program ?? "");
    await mountSecrets(vault);
    const role = await createAppRole(vault, "keyhold", servicePolicy);
    const client = new VaultClient(settingsFor(vault, await loginWith(vault, role)));
    return {
      store: createVaultStore(client),
      tenantId: randomUUID(),
      plantForeign: async (ref) => {
        await arranged(
          vault.arrange("POST", `secret/data/${pathOf(ref)}`, { data: { api_key: "plain text" } }),
        );
      },
      disconnect: () => vault.stop(),
      close: async () => {
        await client.close();
        await vault.stop();
      },
    };
  });
});

function pathOf({ tenantId, venue, environment, credentialId }: SecretRef): string {
  return `tenants/${tenantId}/exchanges/${venue}/${environment}/${credentialId}`;
}
