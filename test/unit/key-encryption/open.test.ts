import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "../../../src/config/config.ts";
import { StartError } from "../../../src/errors.ts";
import { findKekId } from "../../../src/key-encryption/installation.ts";
import { addKey, createKeyFile, readKeyFile } from "../../../src/key-encryption/key-file.ts";
import { type KeyNeeds, openKeys, type OpenKeys } from "../../../src/key-encryption/open.ts";
import { VaultClient } from "../../../src/vault/client.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";
import { freePort } from "../../../testkit/free-port.ts";
import { hasty } from "../../../testkit/patience.ts";

let database: TestDatabase;
let folder: string;
let keyFile: string;

beforeEach(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), "keyhold-open-keys-"));
  keyFile = join(folder, "kek");
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

const settings = {
  KEYHOLD_VAULT_ADDRESSES: "http://127.0.0.1:8200",
  KEYHOLD_VAULT_AUTH: "token",
  KEYHOLD_VAULT_TOKEN_FILE: "/run/token",
  KEYHOLD_AWS_REGION: "eu-central-1",
  KEYHOLD_KMS_KEYS: "alias/keyhold",
};

async function open(names: string, needs: Partial<KeyNeeds> = {}): Promise<OpenKeys> {
  const { keys } = readConfig({ ...settings, KEYHOLD_FOLDER: folder, KEYHOLD_KEYS: names });
  const rest = { db: database.app, keyFile, embeddedIn: null, vault: null, aws: null, creates: true };
  return openKeys(keys, { ...rest, ...needs });
}

const refusal = (opening: Promise<OpenKeys>): Promise<string> =>
  opening.then(
    () => "opened",
    (error: unknown) => (error instanceof StartError ? error.message : String(error)),
  );

describe("the keys that the configuration names", () => {
  test("are those of the file, and the database learns which", async () => {
    await createKeyFile(keyFile);
    const { provider, created, close } = await open("file");
    expect({ kind: provider.kind, created }).toEqual({ kind: "file", created: false });
    expect(await findKekId(database.app)).toBe((await readKeyFile(keyFile)).newest.id);
    close();
  });

  test("are not learned from a command beside the service", async () => {
    await createKeyFile(keyFile);
    const { close } = await open("file", { creates: false });
    expect(await findKekId(database.app)).toBeNull();
    close();
  });

  test("are made for a new database of Keyhold's own, and for no other", async () => {
    expect(await refusal(open("file"))).toMatch(/There is no key file at .*keyhold keys create/);
    const beside = await refusal(open("file", { embeddedIn: folder, creates: false }));
    expect(beside, "nor by a command beside the service").toMatch(
      /There is no key file at .*start the service/,
    );
    const { created } = await open("file", { embeddedIn: folder });
    expect(created).toBe(true);
    expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
    await rm(keyFile);
    expect(await refusal(open("file", { embeddedIn: folder }))).toMatch(
      /is missing, and the database was sealed with/,
    );
  });

  test("stop the start when the file is another one, and are taken with a new key in front", async () => {
    await createKeyFile(keyFile);
    await open("file");
    const other = join(folder, "other");
    await createKeyFile(other);
    expect(await refusal(open("file", { keyFile: other }))).toContain(
      "which is not among those configured (file)",
    );
    await addKey(keyFile);
    expect(await refusal(open("file"))).toBe("opened");
  });

  test("stop the start where one of several cannot be opened, with a sentence for it", async () => {
    await createKeyFile(keyFile);
    const auth = { method: "token", tokenFile: join(folder, "token") } as const;
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const vault = new VaultClient({ addresses: [nowhere], auth, ...hasty });
    expect(await refusal(open("transit,file", { vault }))).toContain(
      "The key keyhold of Transit cannot be used.",
    );
    expect(await refusal(open("file,transit", { vault }))).toContain(
      "The key keyhold of Transit cannot be used.",
    );
    const aws = { region: "eu-central-1", endpoint: nowhere };
    expect(await refusal(open("aws-kms", { aws }))).toContain(
      "The key alias/keyhold of AWS KMS is not there",
    );
    await vault.close();
  });

  test("stop the start where it is not said where they are", async () => {
    await createKeyFile(keyFile);
    expect(await refusal(open("file,transit"))).toContain("without the addresses of Vault");
    expect(await refusal(open("file,aws-kms"))).toContain("without its region");
  });
});
