import { access } from "node:fs/promises";
import type { AwsConfig, KeysConfig } from "../config/stores.ts";
import type { Db } from "../db/connect.ts";
import { KeyholdError, StartError } from "../errors.ts";
import type { VaultClient } from "../vault/client.ts";
import { openAwsKms } from "./aws-kms.ts";
import { loadKeyFile } from "./file.ts";
import { assertBelongs, findKekId, learnKek } from "./installation.ts";
import { createKeyFile } from "./key-file.ts";
import type { KeyProvider } from "./key-provider.ts";
import { openTransitKeys } from "./transit.ts";

export type KeyNeeds = Readonly<{
  db: Db;
  keyFile: string;
  embeddedIn: string | null;
  vault: VaultClient | null;
  aws: AwsConfig | null;
  /**
   * Whether a missing key file may be made, and the id of the key may be stored in a database without
   * secrets.
   */
  creates: boolean;
}>;

export type OpenKeys = Readonly<{
  provider: KeyProvider;
  /** Whether this start made the key file. */
  created: boolean;
  close(): void;
}>;

/**
 * Opens the configured key-encryption keys: the first provider wraps, and the others still unwrap. Together
 * they must have the keys that the database was sealed with. Throws `StartError`.
 */
export async function openKeys(config: KeysConfig, needs: KeyNeeds): Promise<OpenKeys> {
  const opened: Awaited<ReturnType<typeof open>>[] = [];
  // One after the other, because a key file may be made, and a refusal should name the first provider at
  // fault.
  for (const kind of config.order) opened.push(await open(kind, config, needs));
  const [newest, ...earlier] = opened.map(({ provider }) => provider);
  if (newest === undefined) throw new StartError("No provider of key-encryption keys is configured.");
  const provider = successive(newest, ...earlier);
  await assertBelongs(needs.db, provider);
  if (needs.creates) await learnKek(needs.db, provider);
  return {
    provider,
    created: opened.some(({ created }) => created === true),
    close: () => {
      for (const { close } of opened) close?.();
    },
  };
}

async function open(
  kind: KeyProvider["kind"],
  config: KeysConfig,
  needs: KeyNeeds,
): Promise<Pick<OpenKeys, "provider"> & Partial<OpenKeys>> {
  switch (kind) {
    case "file": {
      const { keyFile: path, embeddedIn, creates } = needs;
      return openKeyFile({ path, sealedWith: await findKekId(needs.db), embeddedIn, creates });
    }
    case "transit": {
      if (needs.vault === null) throw new StartError("Transit is configured without the addresses of Vault.");
      const { transitMount: mount, transitKey: key } = config;
      return { provider: await openTransitKeys(needs.vault, { mount, key }) };
    }
    case "aws-kms": {
      if (needs.aws === null) throw new StartError("AWS KMS is configured without its region.");
      const provider = await openAwsKms({ ...needs.aws, keys: config.kmsKeys });
      return { provider, close: () => provider.close() };
    }
  }
}

type KeyFileOptions = Readonly<{
  path: string;
  /** The key that the database was sealed with; `null` for a database without secrets. */
  sealedWith: string | null;
  /** The folder of the embedded database; `null` for another database. */
  embeddedIn: string | null;
  /** Whether a key file may be made. */
  creates: boolean;
}>;

/**
 * Opens the key file of a database. It is made only together with a new embedded database. For any other
 * database a missing file means that each secret is unreadable. Throws `StartError` then.
 */
export async function openKeyFile(
  options: KeyFileOptions,
): Promise<Readonly<{ provider: KeyProvider; created: boolean }>> {
  const { path, sealedWith, embeddedIn, creates } = options;
  const missing = await access(path).then(
    () => false,
    () => true,
  );
  if (missing && !(creates && sealedWith === null && embeddedIn !== null)) throw refusal(options);
  if (missing) await createKeyFile(path);
  return { provider: await loadKeyFile(path), created: missing };
}

function refusal({ path, sealedWith, embeddedIn }: KeyFileOptions): StartError {
  if (sealedWith === null) {
    const remedy =
      embeddedIn === null
        ? "Make one with `keyhold keys create` and keep a copy of it elsewhere."
        : "The service makes it: start the service first.";
    return new StartError(`There is no key file at ${path}. ${remedy}`);
  }
  const anew = embeddedIn === null ? "" : `, or remove ${embeddedIn} to begin anew without what it holds`;
  return new StartError(
    `The key file ${path} is missing, and the database was sealed with its key ${sealedWith}. Restore the file from its backup${anew}.`,
  );
}

/**
 * One provider that wraps, and earlier ones that still unwrap: for an installation that moves, for example
 * from a key file to AWS KMS.
 */
export function successive(newest: KeyProvider, ...earlier: readonly KeyProvider[]): KeyProvider {
  if (earlier.length === 0) return newest;
  const providers = [newest, ...earlier];
  const find = async (kekId: string): Promise<KeyProvider | undefined> => {
    for (const provider of providers) if (await provider.knows(kekId)) return provider;
    return undefined;
  };
  return {
    kind: newest.kind,
    get kekId() {
      return newest.kekId;
    },
    knows: async (kekId) => (await find(kekId)) !== undefined,
    wrap: (dataKey, context) => newest.wrap(dataKey, context),
    async unwrap(wrapped, context) {
      const provider = await find(wrapped.kekId);
      if (provider !== undefined) return provider.unwrap(wrapped, context);
      throw new KeyholdError(
        "key_unavailable",
        `No configured provider has the key-encryption key ${wrapped.kekId}. Name the one that has it.`,
      );
    },
  };
}
