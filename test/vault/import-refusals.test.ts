import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deniedReasons, unavailableReasons } from "../../src/remote/failure.ts";
import { makeCertificate } from "../../testkit/certificate.ts";
import type { Shell } from "../../testkit/shell.ts";
import { createImportWorld, type ImportWorld, type Opened } from "../../testkit/vault-import.ts";
import { arranged, createAppRole, secretFile } from "../../testkit/vault-service.ts";
import { findVault, type TestVault } from "../../testkit/vault.ts";

const program = findVault();

describe.skipIf(program === null)("what can be wrong with an import from Vault has a sentence", () => {
  let imports: ImportWorld;
  let vault: TestVault;
  let opened: Opened;
  let tenant: string;
  beforeAll(async () => {
    imports = await createImportWorld(program ?? "");
    vault = imports.vault;
    opened = await imports.world.openTenant();
    tenant = opened.tenant;
    await imports.plant(tenant, "binance", imports.newKey("binance"));
  });
  afterAll(() => imports?.close());

  const attempt = async (shell: Shell, more = ""): Promise<string> => {
    shell.name(tenant, "T");
    return shell.transcript(opened.bob, `import vault --account ${opened.account} ${more}`);
  };
  const notGiven = (detail: string, ...hint: readonly string[]): string =>
    text("keyhold: Vault does not give secret/tenants/T/exchanges", `  ${detail}`, ...hint, "[exit 1]");
  const notAsked = (detail: string): string =>
    text(
      "keyhold: Vault could not be asked for secret/tenants/T/exchanges",
      `  ${detail}`,
      "hint: nothing was imported; once that is mended, run the same command again",
      "[exit 3]",
    );
  const policyHint =
    "hint: a missing mount looks the same as one that you may not see; the guide to importing has the policy";
  const mountHint = "hint: --path begins with the mount of the engine, as in `vault kv get`";

  test("a token that is not known", async () => {
    const shell = imports.shellWith(await imports.withToken("hvs.unknown"));
    expect(await attempt(shell)).toBe(notGiven(deniedReasons.token));
  });

  test("a login that is refused", async () => {
    const role = { roleId: "none", newSecretId: async () => "none" };
    const shell = imports.shellWith(await imports.withRole(role));
    expect(await attempt(shell)).toBe(notGiven(deniedReasons.login));
  });

  test("a mount that is not there, to who may see it and to who may not", async () => {
    const elsewhere = "--path nowhere/tenants/{tenant}/exchanges/{exchange}/credentials";
    expect(await attempt(await imports.asRoot(), elsewhere)).toBe(
      notGiven(deniedReasons.no_mount, mountHint).replace("secret/", "nowhere/"),
    );
    expect(await attempt(await imports.readerOf(tenant), elsewhere)).toBe(
      notGiven(deniedReasons.policy, policyHint).replace("secret/", "nowhere/"),
    );
  });

  test("an engine of version 1", async () => {
    await arranged(vault.arrange("POST", "sys/mounts/old", { type: "kv", options: { version: "1" } }));
    expect(await attempt(await imports.asRoot(), "--path old/{tenant}/{exchange}")).toBe(
      notGiven(deniedReasons.wrong_engine, mountHint).replace("secret/tenants/T/exchanges", "old/T"),
    );
  });

  test("a policy that allows the reading and not the listing", async () => {
    const role = await createAppRole(vault, "unlisted", `path "secret/data/*" { capabilities = ["read"] }`);
    const shell = imports.shellWith(await imports.withRole(role));
    expect(await attempt(shell)).toBe(notGiven(deniedReasons.policy, policyHint));
    expect(await attempt(shell, "--exchange binance --dry-run")).toContain("would be imported");
  });

  test("a tenant that has nothing", async () => {
    expect(await attempt(await imports.asRoot(), "--source-tenant nobody")).toBe(
      text(
        "keyhold: Vault has no exchanges at secret/tenants/nobody/exchanges",
        "hint: check --source-tenant and --path",
        "[exit 1]",
      ),
    );
  });

  test("a certificate that is not trusted, and nobody at the address", async () => {
    const login = await imports.withToken(vault.rootToken);
    const stranger = await secretFile(vault, makeCertificate("127.0.0.1").certificate);
    const [untrusted, unreachable] = await Promise.all([
      attempt(imports.shellWith({ ...login, KEYHOLD_VAULT_CA_FILE: stranger })),
      attempt(imports.shellWith({ ...login, KEYHOLD_VAULT_ADDRESSES: "https://127.0.0.1:1" })),
    ]);
    expect(untrusted).toBe(notAsked(unavailableReasons.untrusted));
    expect(unreachable).toBe(notAsked(unavailableReasons.unreachable));
  });

  test("a node that is sealed", async () => {
    const shell = await imports.asRoot();
    await vault.seal();
    try {
      expect(await attempt(shell)).toBe(notAsked(unavailableReasons.sealed));
    } finally {
      await vault.unseal();
    }
  });

  test("an account of another tenant, before anything is read", async () => {
    const { bob } = await imports.world.openTenant();
    const shell = await imports.asRoot();
    const before = await imports.readsOf(tenant, "binance");
    expect(
      await shell.transcript(bob, `import vault --source-tenant ${tenant} --account ${opened.account}`),
    ).toMatch(/^keyhold: not found \(not_found\)\n {2}There is no such account\./);
    expect(await imports.readsOf(tenant, "binance")).toBe(before);
  });
});

function text(...lines: readonly string[]): string {
  return lines.join("\n");
}
