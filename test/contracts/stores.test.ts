import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
import { openDb, openPool } from "../../src/db/connect.ts";
import { createEnvStore, describeVariable } from "../../src/stores/env.ts";
import { openFileStore } from "../../src/stores/file.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { sealedCache } from "../../src/stores/sealed-cache.ts";
import type { Store } from "../../src/stores/store.ts";
import { createDatabase } from "../../testkit/database.ts";
import { sealedFields, storeContract, type StoreUnderTest } from "./store-contract.ts";

storeContract("postgres", { writes: true }, async () => {
  const database = await createDatabase();
  const db = openDb(openPool(database.connection("keyhold_app"), { applicationName: "store" }));
  const store = createPostgresStore(db);
  let connected = true;
  const disconnect = async (): Promise<Store> => {
    if (connected) await db.destroy();
    connected = false;
    return store;
  };
  return {
    store,
    tenantId: randomUUID(),
    plantForeign: async ({ tenantId, credentialId, version }) => {
      await database.ownerPool.query("insert into sealed_secrets values ($1, $2, $3, $4)", [
        tenantId,
        credentialId,
        version,
        randomBytes(64),
      ]);
    },
    disconnect,
    async close() {
      await disconnect();
      await database.drop();
    },
  };
});

storeContract("file", { writes: true }, () => createFiles((store) => store));

describe("behind the cache", () => {
  storeContract("file", { writes: true }, () => createFiles((store) => sealedCache(store)));
});

storeContract("env", { writes: false }, async () => {
  const variables: Record<string, string> = {};
  const plant = ({ name, value }: { name: string; value: string }): void => {
    variables[name] = value;
  };
  const store = createEnvStore(variables);
  return {
    store,
    tenantId: randomUUID(),
    plant: async (ref, fields) => plant(describeVariable(ref, fields)),
    plantForeign: async (ref) => plant({ ...describeVariable(ref, sealedFields(ref)), value: "not ours" }),
    disconnect: async () => store,
    close: async () => undefined,
  };
});

async function createFiles(wrap: (store: Store) => Store): Promise<StoreUnderTest> {
  const parent = await mkdtemp(join(tmpdir(), "keyhold-files-"));
  const root = join(parent, "sealed");
  const store = wrap(await openFileStore(root));
  return {
    store,
    tenantId: randomUUID(),
    plantForeign: async ({ tenantId, credentialId, version }) => {
      await mkdir(join(root, tenantId), { recursive: true });
      await writeFile(join(root, tenantId, `${credentialId}.${version}`), "api_key=…");
    },
    async disconnect() {
      await rename(root, join(parent, "elsewhere"));
      return store;
    },
    close: () => rm(parent, { recursive: true }),
  };
}
