import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describe } from "vitest";
import type { SecretRef, Store } from "../../src/stores/store.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/vault/client.ts";
import { hasty } from "../../testkit/patience.ts";
import {
  arranged,
  createAppRole,
  loginWith,
  mountSecrets,
  servicePolicy,
  settingsFor,
} from "../../testkit/vault-service.ts";
import { findVault, startVault } from "../../testkit/vault.ts";
import { storeContract } from "../contracts/store-contract.ts";

const program = findVault();

describe.skipIf(program === null)("with a real node", () => {
  storeContract("vault", { writes: true }, async () => {
    const vault = await startVault(program ?? "");
    await mountSecrets(vault);
    const role = await createAppRole(vault, "keyhold", servicePolicy);
    const auth = await loginWith(vault, role);
    const client = new VaultClient(settingsFor(vault, auth));
    const inHaste = new VaultClient(settingsFor(vault, auth, hasty));
    return {
      store: createVaultStore(client),
      tenantId: randomUUID(),
      plantForeign: async (ref) => {
        await arranged(
          vault.arrange("POST", `secret/data/${pathOf(ref)}`, { data: { api_key: "plain text" } }),
        );
      },
      async disconnect() {
        const lost = createVaultStore(inHaste);
        await loggedIn(lost);
        await vault.stop();
        return lost;
      },
      close: async () => {
        await client.close();
        await inHaste.close();
        await vault.stop();
      },
    };
  });
});

async function loggedIn(store: Store): Promise<void> {
  while ((await store.health()).outcome !== "healthy") await sleep(50);
}

function pathOf({ tenantId, venue, environment, credentialId }: SecretRef): string {
  return `tenants/${tenantId}/exchanges/${venue}/${environment}/${credentialId}`;
}
