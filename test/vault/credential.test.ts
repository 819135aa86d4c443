import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { KeyholdError } from "../../src/errors.ts";
import { createStores } from "../../src/stores/open.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/vault/client.ts";
import type { VaultSettings } from "../../src/vault/nodes.ts";
import { createVenues, type Venues } from "../../src/venues/index.ts";
import { hasty, patient } from "../../testkit/patience.ts";
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
import { createWorld, secretFields, simulatedHosts, type Tenant, type World } from "../../testkit/world.ts";

const program = findVault();

describe.skipIf(program === null)("a credential whose secret rests in Vault", () => {
  let vault: TestVault;
  let good: VaultSettings;
  let world: World;
  let tenant: Tenant;
  let owner: Member;
  let custody: Custody;
  let venues: Venues;
  const clients: VaultClient[] = [];

  beforeAll(async () => {
    [vault, world] = await Promise.all([startVault(program ?? ""), createWorld()]);
    venues = createVenues({ hosts: simulatedHosts(world.simulator), timeoutMs: patient.deadlineMs });
    await mountSecrets(vault);
    const role = await createAppRole(vault, "keyhold", servicePolicy);
    good = settingsFor(vault, await loginWith(vault, role));
    custody = withVault(good);
    tenant = await world.createTenant();
    owner = tenant.owner;
  });
  afterAll(async () => {
    for (const client of clients) await client.close();
    await venues?.close();
    await world?.close();
    await vault?.stop();
  });

  function withVault(settings: VaultSettings): Custody {
    const client = new VaultClient(settings);
    clients.push(client);
    const stores = createStores(createVaultStore(client), world.custody.stores.first);
    return { ...world.custody, venues, stores };
  }

  async function registered(): Promise<Readonly<{ id: string; secret: Record<string, string> }>> {
    const { apiKey, apiSecret } = world.simulator.control.addKey("binance");
    const secret = { api_key: apiKey, api_secret: apiSecret };
    const { id } = await register(custody, owner, {
      accountId: await world.createAccount(owner),
      venue: "binance",
      environment: "live",
      fields: secretFields(secret),
      policy: { allow: ["read"], reveal: true },
    });
    return { id, secret };
  }

  async function revealed(id: string, by = custody): Promise<unknown> {
    const document: unknown = JSON.parse(Buffer.from(await reveal(by, owner, id, "to see it")).toString());
    return Reflect.get(Object(document), "secret");
  }

  const pathOf = (id: string): string => `tenants/${tenant.id}/exchanges/binance/live/${id}`;

  test("lives its whole life there, sealed, and nothing of it is in the database", async () => {
    const { id, secret } = await registered();
    expect(await revealed(id)).toEqual(secret);
    const { body } = await arranged(vault.arrange("GET", `secret/data/${pathOf(id)}?version=1`));
    const kept = JSON.stringify(body);
    expect(kept).toContain('"api_secret"');
    expect(kept).not.toContain(secret["api_secret"]);
    expect(kept).not.toContain(Buffer.from(secret["api_secret"] ?? "").toString("base64"));

    const second = world.simulator.control.addKey("binance");
    const next = { api_key: second.apiKey, api_secret: second.apiSecret };
    const { revision } = await show(custody, owner, id);
    await replace(custody, owner, id, revision, secretFields(next));
    expect(await revealed(id)).toEqual(next);
    const versions = await arranged(vault.arrange("GET", `secret/metadata/${pathOf(id)}`));
    expect(versions.body["data"]).toMatchObject({
      versions: { 1: { destroyed: true }, 2: { destroyed: false } },
    });

    await revoke(custody, owner, id);
    const ended = await arranged(vault.arrange("GET", `secret/metadata/${pathOf(id)}`));
    expect(ended.body["data"]).toMatchObject({ versions: { 2: { destroyed: true } } });
    expect(await world.database.owner.selectFrom("sealed_secrets").selectAll().execute()).toEqual([]);
  });

  test("whatever is wrong with the Vault says so, and no credential changes state for it", async () => {
    const { id, secret } = await registered();
    const before = await show(custody, owner, id);
    const wrongToken = { method: "token", tokenFile: await secretFile(vault, "hvs.unknown") } as const;
    const reader = await createAppRole(vault, "other", servicePolicy.replaceAll("tenants", "others"));
    const wrongs: readonly (readonly [string, VaultSettings])[] = [
      ["store_denied", { ...good, auth: wrongToken }],
      ["store_denied", { ...good, auth: await loginWith(vault, reader) }],
      ["store_unavailable", { ...good, ca: undefined, ...hasty }],
      ["store_unavailable", { ...good, addresses: ["https://127.0.0.1:1"], ...hasty }],
    ];
    for (const [code, settings] of wrongs) expect(await codeOf(revealed(id, withVault(settings)))).toBe(code);
    await vault.seal();
    expect(await codeOf(revealed(id, withVault({ ...good, ...hasty })))).toBe("store_unavailable");
    await vault.unseal();
    expect(await show(custody, owner, id)).toEqual(before);
    expect(await revealed(id)).toEqual(secret);
  });

  test("a version that somebody destroyed there is missed, and the credential waits for a new secret", async () => {
    const { id } = await registered();
    const before = await show(custody, owner, id);
    await arranged(vault.arrange("POST", `secret/destroy/${pathOf(id)}`, { versions: [1] }));
    expect(await codeOf(revealed(id))).toBe("secret_lost");
    expect(await show(custody, owner, id)).toEqual(before);
    const { apiKey, apiSecret } = world.simulator.control.addKey("binance");
    const next = { api_key: apiKey, api_secret: apiSecret };
    await replace(custody, owner, id, before.revision, secretFields(next));
    expect(await revealed(id)).toEqual(next);
  });

  test("two versions that somebody exchanged there are told of as changed, and neither is opened", async () => {
    const [one, other] = [await registered(), await registered()];
    const read = async ({ id }: { id: string }): Promise<unknown> => {
      const { body } = await arranged(vault.arrange("GET", `secret/data/${pathOf(id)}`));
      return Reflect.get(Object(body["data"]), "data");
    };
    const [first, second] = [await read(one), await read(other)];
    for (const [{ id }, data] of [
      [one, second],
      [other, first],
    ] as const) {
      await arranged(vault.arrange("DELETE", `secret/metadata/${pathOf(id)}`));
      await arranged(vault.arrange("POST", `secret/data/${pathOf(id)}`, { data, options: { cas: 0 } }));
      expect(await codeOf(revealed(id))).toBe("secret_damaged");
    }
  });
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "no error",
    (error: unknown) => (error instanceof KeyholdError ? error.code : String(error)),
  );
}
