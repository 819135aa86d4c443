import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "../../../src/config/config.ts";
import { storeNames, type AwsConfig } from "../../../src/config/stores.ts";
import { StartError } from "../../../src/errors.ts";
import { describeVariable } from "../../../src/stores/env.ts";
import { openStores, type StoreNeeds } from "../../../src/stores/open.ts";
import { type SecretRef } from "../../../src/stores/store.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { VaultClient } from "../../../src/vault/client.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";
import { freePort } from "../../../testkit/free-port.ts";
import { hasty } from "../../../testkit/patience.ts";
import { sealedFields } from "../../contracts/store-contract.ts";

let database: TestDatabase;
let folder: string;
let vault: VaultClient;
let aws: AwsConfig;

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "keyhold-stores-"));
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const auth = { method: "token", tokenFile: join(folder, "token") } as const;
  vault = new VaultClient({ addresses: [nowhere], auth, ...hasty });
  aws = { region: "eu-central-1", endpoint: nowhere };
});
afterAll(async () => {
  await vault?.close();
  await database?.drop();
  await rm(folder, { recursive: true });
});

const log = createLog("silent");
const settings = {
  KEYHOLD_VAULT_ADDRESSES: "http://127.0.0.1:8200",
  KEYHOLD_VAULT_AUTH: "token",
  KEYHOLD_VAULT_TOKEN_FILE: "/run/token",
  KEYHOLD_AWS_REGION: "eu-central-1",
};

async function open(
  names: string,
  needs: Partial<StoreNeeds> = {},
  more: Readonly<Record<string, string>> = {},
) {
  const { stores } = readConfig({ ...settings, KEYHOLD_FOLDER: folder, KEYHOLD_STORES: names, ...more });
  const metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  const rest = { db: database.app, vault, aws, log };
  const opened = await openStores(stores, { ...rest, metrics, ...needs });
  return { ...opened, metrics };
}

const newRef = (): SecretRef => ({
  tenantId: randomUUID(),
  credentialId: randomUUID(),
  venue: "binance",
  environment: "live",
  version: 1,
});

describe("the stores that the configuration names", () => {
  test.each([
    ["postgres", "postgres", ["postgres"]],
    ["vault", "vault", ["postgres", "vault"]],
    ["file,postgres,env", "file", ["postgres", "file", "env"]],
    ["aws,vault,file,env", "aws", ["postgres", "vault", "aws", "file", "env"]],
  ])("are there, the first for what is new, and this database always: %s", async (names, first, all) => {
    const { stores, close } = await open(names);
    expect(stores.first.name).toBe(first);
    expect(storeNames.filter((name) => stores.get(name) !== undefined)).toEqual(all);
    for (const name of storeNames) expect(stores.get(name)?.name ?? name).toBe(name);
    await close();
  });

  test("are measured, each of them", async () => {
    const { stores, metrics, close } = await open("file,postgres,env");
    const ref = newRef();
    for (const name of ["file", "postgres", "env"] as const)
      expect(await stores.get(name)?.get(ref)).toEqual({ outcome: "absent" });
    const { values } = await metrics.storeFailures.get();
    expect(values.map(({ labels }) => labels)).toEqual([
      { store: "file", operation: "get", reason: "absent" },
      { store: "postgres", operation: "get", reason: "absent" },
      { store: "env", operation: "get", reason: "absent" },
    ]);
    await close();
  });

  test("of other machines are cached, and no others", async () => {
    const { stores, metrics, close } = await open("vault,file");
    const ref = newRef();
    await stores.get("vault")?.get(ref);
    await stores.get("file")?.get(ref);
    const { values } = await metrics.storeLookUps.get();
    expect(values.map(({ labels }) => labels)).toEqual([{ store: "vault", source: "store" }]);
    await close();
  });

  test("keep what is put into them where the configuration says", async () => {
    const ref = newRef();
    const fields = sealedFields(ref);
    const { stores, close } = await open("file", {}, { KEYHOLD_FILE_STORE: join(folder, "elsewhere") });
    expect(await stores.first.put(ref, fields)).toEqual({ outcome: "written" });
    await close();
    const { name, value } = describeVariable(ref, fields);
    const again = await open(
      "postgres,file,env",
      {},
      { KEYHOLD_FILE_STORE: join(folder, "elsewhere"), [name]: value },
    );
    for (const store of ["file", "env"] as const)
      expect((await again.stores.get(store)?.get(ref))?.outcome).toBe("found");
    await again.close();
    const other = await open("file");
    expect(await other.stores.first.get(ref), "the control").toEqual({ outcome: "absent" });
    await other.close();
  });

  test.each([
    ["vault", { vault: null }],
    ["aws", { aws: null }],
  ])("are refused where it is not said where one is: %s", async (name, needs) => {
    await expect(open(name, needs)).rejects.toThrow(StartError);
    await expect(open(`file,${name}`, needs)).rejects.toThrow(StartError);
  });
});
