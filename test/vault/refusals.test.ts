import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SecretRef, Store } from "../../src/stores/store.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/vault/client.ts";
import type { VaultSettings } from "../../src/vault/nodes.ts";
import { makeCertificate } from "../../testkit/certificate.ts";
import { reasonGiven } from "../../testkit/patience.ts";
import {
  arranged,
  createAppRole,
  loginWith,
  mountSecrets,
  secretFile,
  servicePolicy,
  settingsFor,
} from "../../testkit/vault-service.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";
import { sealedFields } from "../contracts/store-contract.ts";

const program = findVault();

describe.skipIf(program === null)("what can be wrong with a Vault has an answer of its own", () => {
  let vault: TestVault;
  let good: VaultSettings;
  const clients: VaultClient[] = [];

  beforeAll(async () => {
    vault = await startVault(program ?? "");
    await mountSecrets(vault);
    const everywhere = ["secret", "versionless", "nowhere", "transit"].map((mount) =>
      servicePolicy.replaceAll("secret/", `${mount}/`),
    );
    const role = await createAppRole(vault, "keyhold", everywhere.join("\n"));
    good = settingsFor(vault, await loginWith(vault, role));
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });
  afterAll(() => vault?.stop());

  function open(settings: Partial<VaultSettings> = {}, mount = "secret"): Store {
    const client = new VaultClient({ ...good, ...settings });
    clients.push(client);
    return createVaultStore(client, { mount });
  }

  /** What somebody is told who does not wait long. */
  function inHaste<T extends object>(
    settings: Partial<VaultSettings>,
    ask: (store: Store) => Promise<T>,
  ): Promise<T> {
    return reasonGiven((deadlineMs) => ask(open({ ...settings, deadlineMs })));
  }

  const newRef = (): SecretRef => ({
    tenantId: randomUUID(),
    credentialId: randomUUID(),
    venue: "kraken",
    environment: "live",
    version: 1,
  });

  async function kept(): Promise<SecretRef> {
    const ref = newRef();
    expect(await open().put(ref, sealedFields(ref))).toEqual({ outcome: "written" });
    return ref;
  }

  async function expectOfAll(store: Store, ref: SecretRef, answer: object): Promise<void> {
    expect(await store.get(ref)).toEqual(answer);
    expect(await store.put({ ...ref, version: 2 }, sealedFields(ref))).toEqual(answer);
    expect(await store.destroy(ref)).toEqual(answer);
    expect(await store.health()).toEqual(answer);
    // The secret itself has come to no harm.
    expect((await open().get(ref)).outcome).toBe("found");
  }

  test("a token that it does not know", async () => {
    const auth = { method: "token", tokenFile: await secretFile(vault, "hvs.unknown") } as const;
    await expectOfAll(open({ auth }), await kept(), { outcome: "denied", reason: "token" });
  });

  test("a token that was revoked while it was in use", async () => {
    const ref = await kept();
    const { body } = await arranged(
      vault.arrange("POST", "auth/token/create", { policies: ["keyhold"], ttl: "1h" }),
    );
    const token = String(Reflect.get(Object(body["auth"]), "client_token"));
    const store = open({ auth: { method: "token", tokenFile: await secretFile(vault, token) } });
    expect((await store.get(ref)).outcome).toBe("found");
    await arranged(vault.arrange("POST", "auth/token/revoke", { token }));
    await expectOfAll(store, ref, { outcome: "denied", reason: "token" });
  });

  test("a secret id that has ended", async () => {
    const role = await createAppRole(vault, "short", servicePolicy, { secret_id_ttl: "1s" });
    const secretId = await role.newSecretId();
    const body = { role_id: role.roleId, secret_id: secretId };
    while ((await vault.arrange("POST", "auth/approle/login", body)).status === 200) {
      await sleep(250);
      // Once a minute by itself.
      await arranged(vault.arrange("POST", "auth/approle/tidy/secret-id"));
    }
    const secretIdFile = await secretFile(vault, secretId);
    const auth = { method: "approle", roleId: role.roleId, secretIdFile } as const;
    await expectOfAll(open({ auth }), await kept(), { outcome: "denied", reason: "login" });
  });

  test("a file of a secret id that is missing", async () => {
    const auth = { method: "approle", roleId: "any", secretIdFile: "/nowhere/secret-id" } as const;
    await expectOfAll(open({ auth }), await kept(), { outcome: "denied", reason: "login" });
  });

  test("a way to log in that is not mounted", async () => {
    const auth = { ...good.auth, mount: "other" };
    await expectOfAll(open({ auth }), await kept(), { outcome: "denied", reason: "login" });
  });

  test("a node that is sealed, until it is unsealed", async () => {
    const ref = await kept();
    const store = open();
    expect((await store.get(ref)).outcome).toBe("found");
    await vault.seal();
    const answer = { outcome: "unavailable", reason: "sealed" };
    try {
      expect(await inHaste({}, (hasty) => hasty.get(ref))).toEqual(answer);
      expect(await inHaste({}, (hasty) => hasty.put(ref, sealedFields(ref)))).toEqual(answer);
      expect(await inHaste({}, (hasty) => hasty.destroy(ref))).toEqual(answer);
      expect(await inHaste({}, (hasty) => hasty.health())).toEqual(answer);
    } finally {
      await vault.unseal();
    }
    expect((await store.get(ref)).outcome).toBe("found");
  });

  test("a mount that is not there", async () => {
    await expectOfAll(open({}, "nowhere"), await kept(), { outcome: "denied", reason: "no_mount" });
  });

  test("a key-value engine of version 1, to which nothing is written", async () => {
    await arranged(
      vault.arrange("POST", "sys/mounts/versionless", { type: "kv", options: { version: "1" } }),
    );
    await expectOfAll(open({}, "versionless"), await kept(), { outcome: "denied", reason: "wrong_engine" });
    const list = () => vault.arrange("GET", "versionless/data/tenants?list=true");
    expect((await list()).status).toBe(404);
    // It would have taken whatever was written, without a version.
    await arranged(vault.arrange("POST", "versionless/data/tenants/x", { data: {} }));
    expect((await list()).status).toBe(200);
  });

  test("another engine at the mount", async () => {
    await arranged(vault.arrange("POST", "sys/mounts/transit", { type: "transit" }));
    await expectOfAll(open({}, "transit"), await kept(), { outcome: "denied", reason: "wrong_engine" });
  });

  test("a policy that lets Keyhold read and not write", async () => {
    const ref = await kept();
    const policy = 'path "secret/data/tenants/*" { capabilities = ["read"] }';
    const role = await createAppRole(vault, "reader", policy);
    const store = open({ auth: await loginWith(vault, role) });
    const refusal = { outcome: "denied", reason: "policy" };
    expect((await store.get(ref)).outcome).toBe("found");
    expect(await store.put({ ...ref, version: 2 }, sealedFields(ref))).toEqual(refusal);
    expect(await store.destroy(ref)).toEqual(refusal);
    expect((await store.get(ref)).outcome).toBe("found");
  });

  test("a policy that covers other paths", async () => {
    const role = await createAppRole(vault, "stranger", servicePolicy.replaceAll("tenants", "others"));
    const store = open({ auth: await loginWith(vault, role) });
    const ref = await kept();
    const refusal = { outcome: "denied", reason: "policy" };
    expect(await store.get(ref)).toEqual(refusal);
    expect(await store.put(newRef(), sealedFields(ref))).toEqual(refusal);
    expect(await store.destroy(ref)).toEqual(refusal);
  });

  test("a certificate of an authority that is not known", async () => {
    const answer = { outcome: "unavailable", reason: "untrusted" };
    const ref = await kept();
    for (const ca of [makeCertificate("127.0.0.1").certificate, undefined])
      expect(await inHaste({ ca }, (hasty) => hasty.get(ref))).toEqual(answer);
    expect((await open({ ca: vault.ca }).get(ref)).outcome).toBe("found");
  });

  test("a certificate for another name", async () => {
    const addresses = [vault.address.replace("127.0.0.1", "localhost")];
    const ref = await kept();
    expect(await inHaste({ addresses }, (hasty) => hasty.get(ref))).toEqual({
      outcome: "unavailable",
      reason: "untrusted",
    });
  });

  test.each([
    ["plaintext", { api_key: "plain text" }],
    ["a number", { api_key: 7 }],
    ["another field beside ours", null],
    ["base64 of something else", { api_key: Buffer.from("something else").toString("base64") }],
    ["a name that is none of ours", { "API KEY": "" }],
  ])("a value that is not ours: %s", async (_name, data) => {
    const ref = newRef();
    const ours = Object.fromEntries(
      [...sealedFields(ref)].map(([name, sealed]) => [name, sealed.toBase64()]),
    );
    await arranged(vault.arrange("POST", dataPath(ref), { data: data ?? { ...ours, note: "by hand" } }));
    expect(await open().get(ref)).toEqual({ outcome: "denied", reason: "foreign" });
    await arranged(vault.arrange("POST", dataPath(ref), { data: ours }));
    expect((await open().get({ ...ref, version: 2 })).outcome).toBe("found");
  });

  test.each(["destroy", "delete", "metadata"])("a version that somebody ended with %s", async (how) => {
    const ref = await kept();
    const path = dataPath(ref).replace("/data/", `/${how}/`);
    const call =
      how === "metadata" ? vault.arrange("DELETE", path) : vault.arrange("POST", path, { versions: [1] });
    await arranged(call);
    expect(await open().get(ref)).toEqual({ outcome: "absent" });
  });

  test("a value that somebody wrote over ours has another number, and ours stays", async () => {
    const ref = await kept();
    await arranged(
      vault.arrange("POST", dataPath(ref), { options: { cas: 1 }, data: { api_key: "by hand" } }),
    );
    expect((await open().get(ref)).outcome).toBe("found");
    expect(await open().get({ ...ref, version: 2 })).toEqual({ outcome: "denied", reason: "foreign" });
    expect(await open().put({ ...ref, version: 2 }, sealedFields(ref))).toEqual({ outcome: "conflict" });
  });
});

function dataPath({ tenantId, venue, environment, credentialId }: SecretRef): string {
  return `secret/data/tenants/${tenantId}/exchanges/${venue}/${environment}/${credentialId}`;
}
