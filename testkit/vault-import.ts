import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CliWorld, createCliWorld } from "./cli-world.ts";
import { Shell } from "./shell.ts";
import {
  type AppRole,
  arranged,
  countRequests,
  createAppRole,
  mountSecrets,
  secretFile,
} from "./vault-service.ts";
import { startVault, type TestVault } from "./vault.ts";

type Settings = Readonly<Record<string, string>>;

/** A tenant of Keyhold with its members and an account. */
export type Opened = Awaited<ReturnType<CliWorld["openTenant"]>>;

/** As the guide gives it to whoever sets up the reader. */
const [, guidePolicy = ""] =
  /```hcl\n(.*?)```/s.exec(readFileSync(new URL("../docs/guides/importing.md", import.meta.url), "utf8")) ??
  [];

/** A Vault in which another program keeps keys, and the service with simulated venues that they shall come to. */
export async function createImportWorld(program: string) {
  await using undo = new AsyncDisposableStack();
  const vault = await startVault(program);
  undo.defer(() => vault.stop());
  const world = await createCliWorld();
  undo.defer(() => world.close());
  await mountSecrets(vault);
  const running = undo.move();
  return {
    vault,
    world,
    ...plants(vault, world),
    ...shells(vault, world),
    close: () => running.disposeAsync(),
  };
}
export type ImportWorld = Awaited<ReturnType<typeof createImportWorld>>;

export function pathOf(tenant: string, exchange: string): string {
  return `tenants/${tenant}/exchanges/${exchange}/credentials`;
}

function plants(vault: TestVault, { simulator }: CliWorld) {
  /** How often each path was written. */
  const writes = new Map<string, number>();
  const secrets: string[] = [];
  return {
    /** Writes a version as the other program would. */
    async plant(tenant: string, exchange: string, values: Readonly<Record<string, unknown>>): Promise<void> {
      const path = pathOf(tenant, exchange);
      writes.set(path, (writes.get(path) ?? 0) + 1);
      await arranged(vault.arrange("POST", `secret/data/${path}`, { data: values }));
    },
    /** A key that works at its simulated venue, as the other program writes it. */
    newKey(venue: Parameters<typeof simulator.control.addKey>[0]) {
      const { apiKey, apiSecret, passphrase } = simulator.control.addKey(venue);
      const key = { api_key: apiKey, api_secret: apiSecret };
      secrets.push(apiKey, apiSecret, ...(passphrase === undefined ? [] : [passphrase]));
      return passphrase === undefined ? key : { ...key, passphrase };
    },
    /** How often the key of an exchange was asked for, as Vault's own audit log has it. */
    async readsOf(tenant: string, exchange: string): Promise<number> {
      const path = pathOf(tenant, exchange);
      return (await countRequests(vault, `secret/data/${path}`)) - (writes.get(path) ?? 0);
    },
    /** Every value of every new key. */
    secrets: (): readonly string[] => secrets,
  };
}

function shells(vault: TestVault, { service }: CliWorld) {
  const opened: Shell[] = [];
  /** Somebody at a shell whose environment says where Vault is. */
  function shellWith(settings: Settings): Shell {
    const shell = new Shell({
      KEYHOLD_URL: service.url,
      KEYHOLD_VAULT_ADDRESSES: vault.address,
      KEYHOLD_VAULT_CA_FILE: join(vault.folder, "tls.pem"),
      ...settings,
    });
    opened.push(shell);
    return shell;
  }
  const withToken = async (token: string): Promise<Settings> => ({
    KEYHOLD_VAULT_AUTH: "token",
    KEYHOLD_VAULT_TOKEN_FILE: await secretFile(vault, token),
  });
  const withRole = async (role: AppRole): Promise<Settings> => ({
    KEYHOLD_VAULT_ROLE_ID: role.roleId,
    KEYHOLD_VAULT_SECRET_ID_FILE: await secretFile(vault, await role.newSecretId()),
  });
  return {
    shellWith,
    withToken,
    withRole,
    /** Who has the policy of the guide, and nothing else, for a tenant as it is called in the path. */
    async readerOf(tenant: string): Promise<Shell> {
      const policy = guidePolicy.replaceAll("TENANT_ID", tenant);
      const limits = { token_no_default_policy: "true" };
      const shell = shellWith(await withRole(await createAppRole(vault, `reader-${tenant}`, policy, limits)));
      shell.name(tenant, "T");
      return shell;
    },
    asRoot: async (): Promise<Shell> => shellWith(await withToken(vault.rootToken)),
    /** Everything that was printed at any of these shells. */
    printed: (): Buffer => Buffer.from(opened.map((shell) => shell.printed).join("")),
  };
}
