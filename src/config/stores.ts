import { join, resolve } from "node:path";
import { z } from "zod";
import { StartError } from "../errors.ts";
import { guardedUrl, listOf, text } from "./values.ts";

export const storeNames = ["postgres", "vault", "aws", "file", "env"] as const;
const keyProviders = ["file", "transit", "aws-kms"] as const;
const word = z.string().regex(/^[\w-]{1,128}$/);
const aWord = "letters, digits, _ and -";
/** The path of a Vault mount: words with slashes between them, so that no path below can lead out of it. */
export const mountPath = /^[\w-][\w.-]*(?:\/[\w-][\w.-]*)*$/;
/** Vault also writes a mount with a slash at the end. */
const mount = z
  .string()
  .max(256)
  .transform((path) => path.replace(/\/$/, ""))
  .pipe(z.string().regex(mountPath));
const aMount = "a path of letters, digits, _, -, . and /";

/** Variables about the stores of sealed secrets, and about key-encryption keys. */
export const storeVariables = {
  KEYHOLD_STORES: listOf(z.enum(storeNames))
    .prefault("postgres")
    .describe("postgres, vault, aws, file and env, with commas between them; new secrets go to the first"),
  KEYHOLD_FILE_STORE: text.optional().describe("the path of a folder that no other user can enter"),
  KEYHOLD_VAULT_ADDRESSES: listOf(guardedUrl)
    .optional()
    .describe("https URLs of all nodes of Vault or OpenBao (http to this machine), with commas between them"),
  KEYHOLD_VAULT_CA_FILE: text.optional().describe("the path of a PEM file with the authorities to trust"),
  KEYHOLD_VAULT_NAMESPACE: text.optional().describe("the name of a namespace"),
  KEYHOLD_VAULT_MOUNT: mount.prefault("secret").describe(aMount),
  KEYHOLD_VAULT_AUTH: z
    .enum(["approle", "kubernetes", "token"])
    .prefault("approle")
    .describe("approle, kubernetes or token"),
  KEYHOLD_VAULT_AUTH_MOUNT: mount.optional().describe(aMount),
  KEYHOLD_VAULT_ROLE_ID: text.optional().describe("the id of the AppRole"),
  KEYHOLD_VAULT_SECRET_ID_FILE: text.optional().describe("the path of the file with the AppRole's secret id"),
  KEYHOLD_VAULT_ROLE: text.optional().describe("the role of the Kubernetes login"),
  KEYHOLD_VAULT_JWT_FILE: text
    .prefault("/var/run/secrets/kubernetes.io/serviceaccount/token")
    .describe("the path of the file with the service account's token"),
  KEYHOLD_VAULT_TOKEN_FILE: text.optional().describe("the path of the file with a token"),
  KEYHOLD_AWS_REGION: word.optional().describe("a region such as eu-central-1"),
  KEYHOLD_AWS_ENDPOINT: guardedUrl
    .optional()
    .describe("an https URL in place of the region's own (http to this machine)"),
  KEYHOLD_AWS_PREFIX: word.prefault("keyhold").describe(aWord),
  KEYHOLD_AWS_SECRETS_KEY: text.optional().describe("the id, ARN or alias of a key of KMS"),
  KEYHOLD_KEYS: listOf(z.enum(keyProviders))
    .prefault("file")
    .describe("file, transit and aws-kms, with commas between them; the first wraps, all of them unwrap"),
  KEYHOLD_TRANSIT_MOUNT: mount.prefault("transit").describe(aMount),
  KEYHOLD_TRANSIT_KEY: word.prefault("keyhold").describe(aWord),
  KEYHOLD_KMS_KEYS: listOf(text)
    .optional()
    .describe("ids, ARNs or aliases of keys, newest first, with commas between them"),
};
const schema = z.object(storeVariables);
type Values = z.output<typeof schema>;

export type StoreName = (typeof storeNames)[number];

/**
 * How Keyhold proves itself to Vault. It reads a secret from its file at each login, so a rotated secret
 * needs no restart. An agent that renews a token writes it to the token file, which is read again when the
 * token ends.
 */
export type VaultAuth =
  | Readonly<{ method: "token"; tokenFile: string }>
  | Readonly<{ method: "approle"; mount?: string | undefined; roleId: string; secretIdFile: string }>
  | Readonly<{ method: "kubernetes"; mount?: string | undefined; role: string; jwtFile: string }>;

export type VaultConfig = Readonly<{
  addresses: readonly string[];
  caFile: string | undefined;
  namespace: string | undefined;
  auth: VaultAuth;
}>;

export type AwsConfig = Readonly<{ region: string; endpoint: string | undefined }>;

export type StoresConfig = Readonly<{
  /** New secrets go to the first; look-ups ask them in order. */
  order: readonly [StoreName, ...StoreName[]];
  fileFolder: string;
  vaultMount: string;
  awsPrefix: string;
  awsSecretsKey: string | undefined;
  /** Sealed secrets in the environment. */
  variables: Readonly<Record<string, string>>;
}>;

export type KeysConfig = Readonly<{
  /** The first wraps, all of them unwrap. */
  order: readonly ("file" | "transit" | "aws-kms")[];
  transitMount: string;
  transitKey: string;
  kmsKeys: readonly string[];
}>;

/** The names of sealed secrets in the environment. */
export const sealedVariable = /^KEYHOLD_SEALED_[0-9A-F]{32}_[0-9A-F]{32}_\d+$/;

/** Throws `StartError` for an order that cannot be used. */
export function storesOf(
  values: Values,
  folder: string,
  environment: Readonly<Record<string, string | undefined>>,
): StoresConfig {
  const [first, ...others] = values.KEYHOLD_STORES;
  if (first === undefined || first === "env")
    throw new StartError(
      "KEYHOLD_STORES cannot begin with env, which is read-only: new secrets go to the first.",
    );
  const { KEYHOLD_FILE_STORE: fileFolder } = values;
  const sealed = Object.entries(environment).filter(([name]) => sealedVariable.test(name));
  return {
    order: [first, ...others],
    fileFolder: fileFolder === undefined ? join(folder, "secrets") : resolve(fileFolder),
    vaultMount: values.KEYHOLD_VAULT_MOUNT,
    awsPrefix: values.KEYHOLD_AWS_PREFIX,
    awsSecretsKey: values.KEYHOLD_AWS_SECRETS_KEY,
    variables: Object.fromEntries(sealed.map(([name, value]) => [name, value ?? ""])),
  };
}

/** Throws `StartError` for a provider without its keys. */
export function keysOf(values: Values): KeysConfig {
  const order = values.KEYHOLD_KEYS;
  const kmsKeys = values.KEYHOLD_KMS_KEYS ?? [];
  if (order.includes("aws-kms") && kmsKeys.length === 0)
    throw new StartError("KEYHOLD_KMS_KEYS must be set beside aws-kms in KEYHOLD_KEYS.");
  return {
    order,
    transitMount: values.KEYHOLD_TRANSIT_MOUNT,
    transitKey: values.KEYHOLD_TRANSIT_KEY,
    kmsKeys,
  };
}

/**
 * `null` when Vault is not needed. Throws `StartError` when it is needed and its address or login is missing.
 */
export function vaultOf(values: Values): VaultConfig | null {
  const needed = values.KEYHOLD_STORES.includes("vault") || values.KEYHOLD_KEYS.includes("transit");
  const { KEYHOLD_VAULT_ADDRESSES: addresses } = values;
  if (addresses === undefined) {
    if (needed)
      throw new StartError(
        "KEYHOLD_VAULT_ADDRESSES must be set beside the store vault and the keys transit.",
      );
    return null;
  }
  return {
    addresses,
    caFile: values.KEYHOLD_VAULT_CA_FILE,
    namespace: values.KEYHOLD_VAULT_NAMESPACE,
    auth: authOf(values),
  };
}

function authOf(values: Values): VaultAuth {
  const method = values.KEYHOLD_VAULT_AUTH;
  const mount = values.KEYHOLD_VAULT_AUTH_MOUNT;
  const given = <T>(name: string, value: T | undefined): T => {
    if (value !== undefined) return value;
    throw new StartError(`${name} must be set for the login to Vault by ${method}.`);
  };
  switch (method) {
    case "token":
      return { method, tokenFile: given("KEYHOLD_VAULT_TOKEN_FILE", values.KEYHOLD_VAULT_TOKEN_FILE) };
    case "approle":
      return {
        method,
        mount,
        roleId: given("KEYHOLD_VAULT_ROLE_ID", values.KEYHOLD_VAULT_ROLE_ID),
        secretIdFile: given("KEYHOLD_VAULT_SECRET_ID_FILE", values.KEYHOLD_VAULT_SECRET_ID_FILE),
      };
    case "kubernetes":
      return {
        method,
        mount,
        role: given("KEYHOLD_VAULT_ROLE", values.KEYHOLD_VAULT_ROLE),
        jwtFile: values.KEYHOLD_VAULT_JWT_FILE,
      };
  }
}

/** `null` when AWS is not needed. Throws `StartError` when it is needed and its region is missing. */
export function awsOf(values: Values): AwsConfig | null {
  const needed = values.KEYHOLD_STORES.includes("aws") || values.KEYHOLD_KEYS.includes("aws-kms");
  const { KEYHOLD_AWS_REGION: region } = values;
  if (region === undefined && needed)
    throw new StartError("KEYHOLD_AWS_REGION must be set beside the store aws and the keys aws-kms.");
  return region === undefined ? null : { region, endpoint: values.KEYHOLD_AWS_ENDPOINT };
}
