import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arranged, createAppRole, mountSecrets, servicePolicy, textAt } from "../../testkit/vault-service.ts";
import { findVault, startVault, type TestVault } from "../../testkit/vault.ts";

const program = findVault();

describe.skipIf(program === null)("the Vault that tests run on", () => {
  let vault: TestVault;
  beforeAll(async () => {
    vault = await startVault(program ?? "");
    await mountSecrets(vault);
  });
  afterAll(() => vault?.stop());

  test("keeps what its policy allows, and refuses the rest", async () => {
    const role = await createAppRole(vault, "keyhold", servicePolicy);
    const body = { role_id: role.roleId, secret_id: await role.newSecretId() };
    const token = textAt(
      await arranged(vault.arrange("POST", "auth/approle/login", body)),
      "client_token",
      "auth",
    );
    const write = (path: string) => vault.arrange("POST", path, { data: { some: "value" } }, { token });
    expect((await write("secret/data/tenants/one")).status).toBe(200);
    expect((await write("secret/data/elsewhere")).status).toBe(403);
  });

  test("is sealed and unsealed, and keeps what it holds", async () => {
    await arranged(vault.arrange("POST", "secret/data/tenants/two", { data: { some: "value" } }));
    await vault.seal();
    expect((await vault.arrange("GET", "secret/data/tenants/two")).status).toBe(503);
    await vault.unseal();
    expect((await vault.arrange("GET", "secret/data/tenants/two")).status).toBe(200);
  });
});
