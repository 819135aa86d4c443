import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StartError } from "../../src/errors.ts";
import type { KeyProvider } from "../../src/key-encryption/key-provider.ts";
import { openTransitKeys, type TransitSettings } from "../../src/key-encryption/transit.ts";
import { VaultClient } from "../../src/vault/client.ts";
import { hasty } from "../../testkit/patience.ts";
import { arranged, createAppRole, loginWith, secretFile, settingsFor } from "../../testkit/vault-service.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";
import { keyProviderContract } from "../contracts/key-provider-contract.ts";

const program = findVault();

/** What Keyhold may do with the keys `keyhold…` in Transit: use them, and neither make, change nor export one. */
const policy = `
path "transit/keys/+" { capabilities = ["read"] }
path "transit/encrypt/+" { capabilities = ["update"] }
path "transit/decrypt/+" { capabilities = ["update"] }
path "transit/hmac/+/sha2-256" { capabilities = ["update"] }
`;

async function mountTransit(vault: TestVault): Promise<void> {
  await arranged(vault.arrange("POST", "sys/mounts/transit", { type: "transit" }));
}

async function createKey(vault: TestVault, name: string, options: object = {}): Promise<void> {
  await arranged(vault.arrange("POST", `transit/keys/${name}`, { type: "aes256-gcm96", ...options }));
}

async function opened(client: VaultClient): Promise<KeyProvider> {
  for (;;) {
    const provider = await openTransitKeys(client).catch(() => null);
    if (provider !== null) return provider;
    await sleep(50);
  }
}

describe.skipIf(program === null)("with a real node", () => {
  keyProviderContract("transit", async () => {
    const vault = await startVault(program ?? "");
    await mountTransit(vault);
    await createKey(vault, "keyhold");
    await createKey(vault, "stranger");
    const role = await createAppRole(vault, "keys", policy);
    const auth = await loginWith(vault, role);
    const client = new VaultClient(settingsFor(vault, auth));
    const inHaste = new VaultClient(settingsFor(vault, auth, hasty));
    return {
      provider: await openTransitKeys(client),
      stranger: await openTransitKeys(client, { key: "stranger" }),
      rotate: async () => {
        await arranged(vault.arrange("POST", "transit/keys/keyhold/rotate", {}));
        return openTransitKeys(client);
      },
      async disconnect() {
        const lost = await opened(inHaste);
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

  describe("Transit", () => {
    let vault: TestVault;
    let client: VaultClient;
    beforeAll(async () => {
      vault = await startVault(program ?? "");
      await mountTransit(vault);
      const role = await createAppRole(vault, "keys", policy);
      client = new VaultClient(settingsFor(vault, await loginWith(vault, role)));
    });
    afterAll(async () => {
      await client?.close();
      await vault?.stop();
    });

    const refusalOf = async (settings: TransitSettings, by = client): Promise<string> =>
      openTransitKeys(by, settings).then(
        () => "opened",
        (error: unknown) => (error instanceof StartError ? error.message : String(error)),
      );

    test("without the key stops the start, and no key is made", async () => {
      expect(await refusalOf({ key: "missing" })).toContain("no key missing");
      expect((await vault.arrange("GET", "transit/keys/missing")).status).toBe(404);
    });

    test.each([
      ["rsa", { type: "rsa-2048" }],
      ["derived", { derived: true }],
    ])("with a key that cannot bind what it wraps stops the start: %s", async (name, options) => {
      await createKey(vault, name, options);
      expect(await refusalOf({ key: name })).toContain("must be of type aes256-gcm96");
    });

    test("at another mount, or with a name that is a path, stops the start", async () => {
      expect(await refusalOf({ mount: "nowhere" })).toContain("policy");
      expect(await refusalOf({ key: "../sys/seal" })).toContain("must be a word");
    });

    test("that refuses Keyhold stops the start, and says what to mend", async () => {
      const auth = { method: "token", tokenFile: await secretFile(vault, "hvs.unknown") } as const;
      const stranger = new VaultClient(settingsFor(vault, auth));
      expect(await refusalOf({}, stranger)).toContain("does not accept Keyhold's token");
      await stranger.close();
    });

    test("that was rotated meanwhile wraps with the new key at once, and the name says so", async () => {
      await createKey(vault, "rotated");
      const provider = await openTransitKeys(client, { key: "rotated" });
      const context = { tenantId: randomUUID(), dataKeyId: randomUUID() };
      const before = await provider.wrap(randomBytes(32), context);
      await arranged(vault.arrange("POST", "transit/keys/rotated/rotate", {}));
      const after = await provider.wrap(randomBytes(32), context);
      expect(after.kekId).not.toBe(before.kekId);
      expect(provider.kekId).toBe(after.kekId);
      await expect(provider.unwrap(before, context)).resolves.toHaveLength(32);
      // The operator ends the old version: what it wrapped does not open, and says why.
      await arranged(vault.arrange("POST", "transit/keys/rotated/config", { min_decryption_version: 2 }));
      const anew = await openTransitKeys(client, { key: "rotated" });
      await expect(anew.unwrap(before, context)).rejects.toThrow("has no version 1 any more");
      await expect(anew.unwrap(after, context)).resolves.toHaveLength(32);
    });

    test("with a key that was deleted and made anew has another name for it", async () => {
      await createKey(vault, "replaced");
      const first = await openTransitKeys(client, { key: "replaced" });
      await arranged(vault.arrange("POST", "transit/keys/replaced/config", { deletion_allowed: true }));
      await arranged(vault.arrange("DELETE", "transit/keys/replaced"));
      await createKey(vault, "replaced");
      const second = await openTransitKeys(client, { key: "replaced" });
      expect(second.kekId).not.toBe(first.kekId);
    });
  });
});
