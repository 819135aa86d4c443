import { SecretsManager } from "../aws/client.ts";
import type { AwsConfig, StoreName, StoresConfig } from "../config/stores.ts";
import type { Db } from "../db/connect.ts";
import { StartError } from "../errors.ts";
import { watchBreaker } from "../remote/breaker.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { VaultClient } from "../vault/client.ts";
import { createAwsStore } from "./aws.ts";
import { createEnvStore } from "./env.ts";
import { openFileStore } from "./file.ts";
import { measured } from "./measured.ts";
import { createPostgresStore } from "./postgres.ts";
import { sealedCache } from "./sealed-cache.ts";
import type { Store, Stores } from "./store.ts";
import { createVaultStore } from "./vault.ts";

export type StoreNeeds = Readonly<{
  db: Db;
  /** `null` when no Vault is configured. */
  vault: VaultClient | null;
  aws: AwsConfig | null;
  metrics: Metrics;
  log: Log;
}>;

/**
 * Opens the configured stores, in their order. Each is measured, and a remote one is cached. The store of
 * this database is always among them, so that its secrets can be read and destroyed when another store is the
 * first. Throws `StartError`.
 */
export async function openStores(
  config: StoresConfig,
  needs: StoreNeeds,
): Promise<Readonly<{ stores: Stores; close(): Promise<void> }>> {
  const manager = needs.aws === null ? null : secretsManager(needs.aws, needs);
  const open = async (name: StoreName): Promise<Store> => {
    switch (name) {
      case "postgres":
        return measured(createPostgresStore(needs.db), needs);
      case "file":
        return measured(await openFileStore(config.fileFolder), needs);
      case "env":
        return measured(createEnvStore(config.variables), needs);
      case "vault":
        return remote(createVaultStore(named(needs.vault, name), { mount: config.vaultMount }), needs);
      case "aws":
        return remote(createAwsStore(named(manager, name), awsOptions(config)), needs);
    }
  };
  const [first, ...others] = config.order;
  const left = others.filter((name) => name !== "postgres");
  const rest: readonly StoreName[] = first === "postgres" ? left : [...left, "postgres"];
  const stores = createStores(await open(first), ...(await Promise.all(rest.map(open))));
  return { stores, close: async () => manager?.close() };
}

/** While a store on another machine is away, a cached copy is used. */
function remote(store: Store, needs: StoreNeeds): Store {
  return sealedCache(measured(store, needs), {
    onLookUp: (source) => needs.metrics.storeLookUps.inc({ store: store.name, source }),
  });
}

function secretsManager(aws: AwsConfig, needs: StoreNeeds): SecretsManager {
  return new SecretsManager(aws, watchBreaker("aws", needs));
}

function awsOptions({ awsPrefix: prefix, awsSecretsKey }: StoresConfig) {
  return { prefix, ...(awsSecretsKey === undefined ? {} : { kmsKeyId: awsSecretsKey }) };
}

/** The configuration has been checked; this is for code that opens stores in another way. */
function named<T>(client: T | null, store: StoreName): T {
  if (client === null) throw new StartError(`The store ${store} is configured without its address.`);
  return client;
}

/**
 * The registry of stores: new secrets go to the first, and each secret is read from the one that its row
 * names.
 */
export function createStores(first: Store, ...others: readonly Store[]): Stores {
  const byName = new Map<StoreName, Store>([first, ...others].map((store) => [store.name, store]));
  return { first, get: (name) => byName.get(name) };
}
