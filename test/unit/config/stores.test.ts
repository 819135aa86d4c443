import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Config, readConfig } from "../../../src/config/config.ts";
import { StartError } from "../../../src/errors.ts";

function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  return "accepted";
}

const storesOf = (environment: Record<string, string>): Config["stores"] => readConfig(environment).stores;

const vault = { KEYHOLD_VAULT_ADDRESSES: "https://bao-1:8200,https://bao-2:8200" };
const approle = { KEYHOLD_VAULT_ROLE_ID: "role", KEYHOLD_VAULT_SECRET_ID_FILE: "/run/secret-id" };

describe("stores and keys, where nothing is said", () => {
  test("are this database and a key file, and nothing that lies elsewhere", () => {
    const { stores, keys, vault, aws, folder } = readConfig({});
    expect(stores).toEqual({
      order: ["postgres"],
      fileFolder: join(folder, "secrets"),
      vaultMount: "secret",
      awsPrefix: "keyhold",
      awsSecretsKey: undefined,
      variables: {},
    });
    expect(keys).toMatchObject({
      order: ["file"],
      transitMount: "transit",
      transitKey: "keyhold",
      kmsKeys: [],
    });
    expect({ vault, aws }).toEqual({ vault: null, aws: null });
  });
});

describe("the order of stores", () => {
  test("is as it is written, with blanks around the commas or without", () => {
    const { order } = storesOf({ ...vault, ...approle, KEYHOLD_STORES: "vault, postgres ,file" });
    expect(order).toEqual(["vault", "postgres", "file"]);
  });

  test.each(["vaults", "postgres;vault", ",", "postgres,,file"])("is refused when it is %j", (names) => {
    expect(refusal({ KEYHOLD_STORES: names })).toMatch(/^KEYHOLD_STORES (must be|cannot begin)/);
  });

  test("cannot begin with env, which takes nothing new", () => {
    expect(refusal({ KEYHOLD_STORES: "env,postgres" })).toContain("read-only");
    expect(storesOf({ KEYHOLD_STORES: "postgres,env" }).order).toEqual(["postgres", "env"]);
  });
});

describe("sealed secrets in the environment", () => {
  const id = "0A1B2C3D00004000800000000000000A";
  const name = `KEYHOLD_SEALED_${id}_${id}_12`;

  test("are handed to the store env, and to no other look", () => {
    const { stores, unknownVariables } = readConfig({ [name]: "S0hS", PATH: "/bin" });
    expect(stores.variables).toEqual({ [name]: "S0hS" });
    expect(unknownVariables).toEqual([]);
  });

  test.each([name.toLowerCase().replace("keyhold", "KEYHOLD"), `${name}_1`, "KEYHOLD_SEALED_1_2_3"])(
    "are none under a name that Keyhold did not make, and the operator is told: %s",
    (other) => {
      const { stores, unknownVariables } = readConfig({ [other]: "S0hS" });
      expect(stores.variables).toEqual({});
      expect(unknownVariables).toEqual([other]);
    },
  );
});

describe("Vault", () => {
  test.each([
    { KEYHOLD_STORES: "vault" },
    { KEYHOLD_STORES: "postgres,vault" },
    { KEYHOLD_KEYS: "transit" },
    { KEYHOLD_KEYS: "file,transit" },
  ])("must be named where it is needed: %o", (needs) => {
    expect(refusal({ ...needs })).toContain("KEYHOLD_VAULT_ADDRESSES must be set");
    expect(refusal({ ...needs, ...vault, ...approle })).toBe("accepted");
  });

  test.each([
    ["approle", "KEYHOLD_VAULT_ROLE_ID", { KEYHOLD_VAULT_SECRET_ID_FILE: "/run/secret-id" }],
    ["approle", "KEYHOLD_VAULT_SECRET_ID_FILE", { KEYHOLD_VAULT_ROLE_ID: "role" }],
    ["kubernetes", "KEYHOLD_VAULT_ROLE", {}],
    ["token", "KEYHOLD_VAULT_TOKEN_FILE", {}],
  ])("is not logged in to by %s without %s", (method, missing, given) => {
    const environment = { KEYHOLD_STORES: "vault", ...vault, KEYHOLD_VAULT_AUTH: method, ...given };
    expect(refusal(environment)).toBe(`${missing} must be set for the login to Vault by ${method}.`);
    expect(refusal({ ...environment, [missing]: "given" }), "the control").toBe("accepted");
  });

  test("is known by all its nodes, and by what is set beside them", () => {
    const more = {
      KEYHOLD_VAULT_NAMESPACE: "desk",
      KEYHOLD_VAULT_CA_FILE: "/ca.pem",
      KEYHOLD_VAULT_AUTH_MOUNT: "apps",
    };
    const config = readConfig({ KEYHOLD_STORES: "vault", ...vault, ...approle, ...more });
    expect(config.vault).toEqual({
      addresses: ["https://bao-1:8200", "https://bao-2:8200"],
      caFile: "/ca.pem",
      namespace: "desk",
      auth: { method: "approle", mount: "apps", roleId: "role", secretIdFile: "/run/secret-id" },
    });
  });

  test.each(["http://bao-1:8200", "bao-1:8200", "https://ok:8200,http://bao-2:8200"])(
    "is not asked without TLS: %s",
    (addresses) => {
      const message = refusal({ ...approle, KEYHOLD_STORES: "vault", KEYHOLD_VAULT_ADDRESSES: addresses });
      expect(message).toMatch(/^KEYHOLD_VAULT_ADDRESSES must be https/);
      expect(message, "which is not repeated").not.toContain("bao-");
    },
  );

  test("has a mount of its own where none is set, or it is set to nothing", () => {
    const environment = { ...vault, ...approle, KEYHOLD_STORES: "vault", KEYHOLD_VAULT_MOUNT: "" };
    expect(readConfig(environment).stores.vaultMount).toBe("secret");
  });
});

const vaultSettings = {
  KEYHOLD_VAULT_ADDRESSES: "https://vault.example:8200",
  KEYHOLD_VAULT_ROLE_ID: "role",
  KEYHOLD_VAULT_SECRET_ID_FILE: "/run/secret-id",
};

describe("mounts of Vault", () => {
  test.each([
    ["team-a/kv", "team-a/kv"],
    ["fleet/eu.west/secret/", "fleet/eu.west/secret"],
    ["secret", "secret"],
  ])("such as %s are taken", (written, read) => {
    const { stores, keys, vault } = readConfig({
      ...vaultSettings,
      KEYHOLD_VAULT_MOUNT: written,
      KEYHOLD_TRANSIT_MOUNT: written,
      KEYHOLD_VAULT_AUTH_MOUNT: written,
    });
    expect([stores.vaultMount, keys.transitMount, vault?.auth]).toMatchObject([read, read, { mount: read }]);
  });

  test.each(["/secret", "a//b", "a/../b", "..", "a b", "a/b?c", "a%2Fb", "./a"])(
    "such as %s are not",
    (mount) => {
      for (const name of ["KEYHOLD_VAULT_MOUNT", "KEYHOLD_TRANSIT_MOUNT", "KEYHOLD_VAULT_AUTH_MOUNT"])
        expect(() => readConfig({ ...vaultSettings, [name]: mount })).toThrow(`${name} must be a path of`);
    },
  );
});

describe("AWS", () => {
  test("needs a region for its store, and a region and keys for its keys", () => {
    expect(refusal({ KEYHOLD_STORES: "aws" })).toContain("KEYHOLD_AWS_REGION must be set");
    expect(refusal({ KEYHOLD_KEYS: "aws-kms", KEYHOLD_KMS_KEYS: "alias/k" })).toContain("KEYHOLD_AWS_REGION");
    expect(refusal({ KEYHOLD_KEYS: "aws-kms", KEYHOLD_AWS_REGION: "eu-central-1" })).toContain(
      "KEYHOLD_KMS_KEYS",
    );
    const config = readConfig({
      KEYHOLD_STORES: "aws",
      KEYHOLD_KEYS: "aws-kms,file",
      KEYHOLD_AWS_REGION: "eu-central-1",
      KEYHOLD_KMS_KEYS: "alias/new, alias/old",
    });
    expect(config.aws).toEqual({ region: "eu-central-1", endpoint: undefined });
    expect(config.keys).toMatchObject({ order: ["aws-kms", "file"], kmsKeys: ["alias/new", "alias/old"] });
  });
});

test.each(["files", "", "transit aws-kms"])("keys are of the providers that there are, not %j", (names) => {
  const message = refusal({ ...vault, ...approle, KEYHOLD_KEYS: names });
  expect(message).toMatch(names === "" ? /^accepted/ : /^KEYHOLD_KEYS must be file, transit and aws-kms/);
});
