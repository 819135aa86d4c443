import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { seal } from "../../src/crypto/envelope.ts";
import { generateDataKey } from "../../src/crypto/keys.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { openTransitKeys } from "../../src/key-encryption/transit.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/vault/client.ts";
import { arranged, mountSecrets, secretFile, settingsFor, textAt } from "../../testkit/vault-service.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";

const program = findVault();

describe.skipIf(program === null)("With mounts whose names have slashes", () => {
  const auth = "fleet/east/approle";
  const transit = "team-a/transit";
  const secrets = "team-a/eu.1/secret";
  let vault: TestVault;
  let client: VaultClient;

  beforeAll(async () => {
    vault = await startVault(program ?? "");
    await mountSecrets(vault, secrets);
    await arranged(vault.arrange("POST", `sys/mounts/${transit}`, { type: "transit" }));
    await arranged(vault.arrange("POST", `${transit}/keys/keyhold`, { type: "aes256-gcm96" }));
    await arranged(vault.arrange("POST", `sys/auth/${auth}`, { type: "approle" }));
    const all = { policy: 'path "team-a/*" { capabilities = ["create", "read", "update", "delete"] }' };
    await arranged(vault.arrange("POST", "sys/policies/acl/team-a", all));
    await arranged(vault.arrange("POST", `auth/${auth}/role/keyhold`, { token_policies: ["team-a"] }));
    client = new VaultClient(
      settingsFor(vault, {
        method: "approle",
        mount: auth,
        roleId: await ask("GET", "role-id", "role_id"),
        secretIdFile: await secretFile(vault, await ask("POST", "secret-id", "secret_id")),
      }),
    );
  });
  afterAll(async () => {
    await client?.close();
    await vault?.stop();
  });

  async function ask(method: "GET" | "POST", path: string, name: string): Promise<string> {
    const body = method === "POST" ? {} : undefined;
    return textAt(await arranged(vault.arrange(method, `auth/${auth}/role/keyhold/${path}`, body)), name);
  }

  test("Keyhold logs in, keeps a secret and reads it back", async () => {
    const store = createVaultStore(client, { mount: secrets });
    while ((await store.health()).outcome !== "healthy") await sleep(50);
    const ref = {
      tenantId: randomUUID(),
      credentialId: randomUUID(),
      venue: "okx",
      environment: "live",
      version: 1,
    };
    using secret = Secret.fromText("a secret");
    const sealed = seal(generateDataKey(), { ...ref, field: "api_key" }, secret);
    const fields = new Map([["api_key", sealed]]);
    expect(await store.put(ref, fields)).toEqual({ outcome: "written" });
    expect(await store.get(ref)).toEqual({ outcome: "found", fields });
  });

  test("Transit wraps a data key and unwraps it", async () => {
    const keys = await openTransitKeys(client, { mount: transit });
    const context = { tenantId: randomUUID(), dataKeyId: randomUUID() };
    const material = randomBytes(32);
    const before = Buffer.from(material);
    expect(Buffer.from(await keys.unwrap(await keys.wrap(material, context), context))).toEqual(before);
  });
});
