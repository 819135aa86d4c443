import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SecretRef, Store } from "../../src/stores/store.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/vault/client.ts";
import {
  createAppRole,
  loginWith,
  mountSecrets,
  servicePolicy,
  settingsFor,
} from "../../testkit/vault-service.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";
import { sealedFields } from "../contracts/store-contract.ts";

const program = findVault();

describe.skipIf(program === null)("a version of a credential is the version of its path", () => {
  let vault: TestVault;
  let client: VaultClient;
  let store: Store;

  beforeAll(async () => {
    vault = await startVault(program ?? "");
    await mountSecrets(vault);
    const role = await createAppRole(vault, "keyhold", servicePolicy);
    client = new VaultClient(settingsFor(vault, await loginWith(vault, role)));
    store = createVaultStore(client);
  });
  afterAll(async () => {
    await client?.close();
    await vault?.stop();
  });

  const newRef = (version = 1): SecretRef => ({
    tenantId: randomUUID(),
    credentialId: randomUUID(),
    venue: "kraken",
    environment: "paper",
    version,
  });
  const put = async (ref: SecretRef): Promise<string> => (await store.put(ref, sealedFields(ref))).outcome;
  const pathOf = (ref: SecretRef): string =>
    `tenants/${ref.tenantId}/exchanges/kraken/paper/${ref.credentialId}`;

  test("under the path and the names that operators know, with nothing but sealed bytes", async () => {
    const ref = newRef();
    const fields = sealedFields(ref);
    await store.put(ref, fields);
    const { body } = await vault.arrange("GET", `secret/data/${pathOf(ref)}?version=1`);
    expect(body["data"]).toMatchObject({
      data: {
        api_key: Buffer.from(fields.get("api_key") ?? []).toString("base64"),
        api_secret: Buffer.from(fields.get("api_secret") ?? []).toString("base64"),
      },
      metadata: { version: 1 },
    });
  });

  test("nobody can write to a path without check-and-set, and it keeps a thousand versions", async () => {
    const ref = newRef();
    await put(ref);
    expect((await vault.arrange("POST", `secret/data/${pathOf(ref)}`, { data: {} })).status).toBe(400);
    const { body } = await vault.arrange("GET", `secret/metadata/${pathOf(ref)}`);
    expect(body["data"]).toMatchObject({ cas_required: true, max_versions: 1000, current_version: 1 });
  });

  test("destroyed data is gone for the operator too, and its number is never used again", async () => {
    const ref = newRef();
    await put(ref);
    await store.destroy(ref);
    const { body } = await vault.arrange("GET", `secret/data/${pathOf(ref)}?version=1`);
    expect(body["data"]).toMatchObject({ data: null, metadata: { destroyed: true } });
    expect(await put(ref)).toBe("conflict");
  });

  test("numbers that were passed over hold nothing, and a slow writer finds its own taken", async () => {
    const first = newRef(1);
    const [third, slow] = [3, 2].map((version) => ({ ...first, version }));
    if (third === undefined || slow === undefined) throw new Error("two versions");
    await put(first);
    expect(await put(third)).toBe("written");
    expect(await put(slow)).toBe("conflict");
    expect(await store.get(slow)).toEqual({ outcome: "absent" });
    const { body } = await vault.arrange("GET", `secret/metadata/${pathOf(first)}`);
    expect(body["data"]).toMatchObject({ current_version: 3, versions: { 2: { destroyed: true } } });
  });

  test("of twenty writers with a number each, whoever is told `written` is kept, and the newest always is", async () => {
    const first = newRef(1);
    await put(first);
    const refs = Array.from({ length: 20 }, (_, index) => ({ ...first, version: index + 2 }));
    const answers = await Promise.all(refs.map(put));
    expect(answers.at(-1)).toBe("written");
    for (const [index, ref] of refs.entries()) {
      expect(answers[index]).toMatch(/^(written|conflict)$/);
      expect((await store.get(ref)).outcome).toBe(answers[index] === "written" ? "found" : "absent");
    }
  });

  test("the version in force outlasts any run of numbers that nobody used", async () => {
    const few = createVaultStore(client, { keptVersions: 10 });
    const first = newRef(1);
    await few.put(first, sealedFields(first));
    const far = { ...first, version: 150 };
    const fields = sealedFields(far);
    // A hundred numbers are passed over at a time; whoever tries again goes on from there.
    expect(await few.put(far, fields)).toEqual({ outcome: "unavailable", reason: "overloaded" });
    expect(await few.put(far, fields)).toEqual({ outcome: "written" });
    expect((await store.get(first)).outcome).toBe("found");
    expect((await store.get(far)).outcome).toBe("found");
  });

  test("a path by itself would have lost it", async () => {
    await vault.arrange("POST", "secret/metadata/tenants/plain", { max_versions: 10 });
    for (let version = 1; version <= 12; version += 1)
      await vault.arrange("POST", "secret/data/tenants/plain", { data: {} });
    expect((await vault.arrange("GET", "secret/data/tenants/plain?version=1")).status).toBe(404);
    expect((await vault.arrange("GET", "secret/data/tenants/plain?version=12")).status).toBe(200);
  });

  test("a credential that comes from another store keeps its number", async () => {
    const ref = newRef(7);
    expect(await put(ref)).toBe("written");
    expect((await store.get(ref)).outcome).toBe("found");
    expect(await put({ ...ref, version: 8 })).toBe("written");
  });
});
