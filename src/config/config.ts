import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { StartError } from "../errors.ts";
import { mistakeIn } from "./mistakes.ts";
import {
  type AwsConfig,
  awsOf,
  type KeysConfig,
  keysOf,
  sealedVariable,
  type StoresConfig,
  storesOf,
  storeVariables,
  type VaultConfig,
  vaultOf,
} from "./stores.ts";
import {
  type ConfiguredIssuer,
  egressAddresses,
  guardedUrl,
  hostNames,
  isLoopback,
  issuers,
  networkList,
  onOrOff,
  text,
  venueHosts,
  venueProxies,
  wholeNumber,
} from "./values.ts";

const port = wholeNumber(0, 65_535);
const perMinute = wholeNumber(1, 100_000_000);
const aPort = "a port from 0 to 65535; 0 lets the system choose";
const aLimit = "a whole number from 1 to 100000000";

/**
 * Each variable that the service reads, with what it accepts and its default. The defaults are closed:
 * listeners are on loopback, TLS is verified, and the issuers of tokens must be named.
 */
const serviceVariables = z.object({
  DATABASE_URL: text
    .optional()
    .describe("postgres://user:password@host:port/database, as a role that row-level security binds"),
  KEYHOLD_OWNER_DATABASE_URL: text
    .optional()
    .describe("the URL of the same database for the role that owns its tables and migrates them"),
  KEYHOLD_DATABASE_TLS: z.enum(["verify", "off"]).prefault("verify").describe("verify or off"),
  KEYHOLD_DATABASE_CA_FILE: text.optional().describe("the path of a PEM file with the authorities to trust"),
  KEYHOLD_DATABASE_POOLER: z
    .enum(["detect", "transaction"])
    .prefault("detect")
    .describe("detect, or transaction where a pooler is in front of the database"),
  KEYHOLD_DATABASE_USER: text
    .optional()
    .describe("the name of an account that only the embedded PostgreSQL uses, for a start as root"),
  KEYHOLD_DATABASE_CONNECTIONS: wholeNumber(2, 1000).prefault("10").describe("a whole number from 2 to 1000"),
  KEYHOLD_DATABASE_REPORT_CONNECTIONS: wholeNumber(1, 1000)
    .prefault("4")
    .describe("a whole number from 1 to 1000"),
  KEYHOLD_DATABASE_WORK_CONNECTIONS: wholeNumber(2, 1000)
    .prefault("10")
    .describe("a whole number from 2 to 1000"),
  KEYHOLD_FOLDER: text.prefault(".keyhold").describe("the path of a folder"),
  KEYHOLD_KEY_FILE: text
    .optional()
    .describe("the path of the file with the key-encryption keys, of mode 0600"),
  ...storeVariables,
  KEYHOLD_HOST: text.prefault("127.0.0.1").describe("an address or a host name to listen on"),
  KEYHOLD_PORT: port.prefault("7070").describe(aPort),
  KEYHOLD_METRICS_HOST: text.prefault("127.0.0.1").describe("an address or a host name to listen on"),
  KEYHOLD_METRICS_HOSTS: hostNames
    .optional()
    .describe("host names with commas between them, by which the metrics are asked for"),
  KEYHOLD_METRICS_PORT: port.prefault("7071").describe(aPort),
  KEYHOLD_TRUSTED_PROXIES: networkList
    .optional()
    .describe("networks such as 10.0.0.0/8, with commas between them"),
  KEYHOLD_BODY_LIMIT_BYTES: wholeNumber(1024, 1_048_576)
    .prefault("65536")
    .describe("a whole number from 1024 to 1048576"),
  KEYHOLD_CONNECTIONS: wholeNumber(16, 1_000_000)
    .prefault("4096")
    .describe("a whole number from 16 to 1000000"),
  KEYHOLD_ISSUERS: text
    .transform(inlineOrFile)
    .pipe(issuers)
    .optional()
    .describe(
      "a JSON list of issuers as the guide to the configuration shows, or the path of a file that holds one",
    ),
  KEYHOLD_LOCAL_ISSUER: onOrOff.optional().describe("on or off"),
  KEYHOLD_REQUESTS_PER_MINUTE: perMinute.prefault("100").describe(aLimit),
  KEYHOLD_REVEALS_PER_MINUTE: perMinute.prefault("60").describe(aLimit),
  KEYHOLD_INVOKES_PER_MINUTE: perMinute.prefault("600").describe(aLimit),
  KEYHOLD_FAILURES_PER_MINUTE: perMinute.prefault("300").describe(aLimit),
  KEYHOLD_VENUE_TIMEOUT_MS: wholeNumber(100, 60_000)
    .prefault("10000")
    .describe("milliseconds from 100 to 60000"),
  KEYHOLD_VENUE_PROCESSES: wholeNumber(1, 256).optional().describe("a whole number from 1 to 256"),
  KEYHOLD_VENUE_PROCESS_MEMORY_MB: wholeNumber(256, 65_536)
    .prefault("1536")
    .describe("megabytes from 256 to 65536"),
  KEYHOLD_VENUE_CALLS_PER_TENANT: wholeNumber(1, 10_000)
    .prefault("32")
    .describe("a whole number from 1 to 10000"),
  KEYHOLD_VENUE_HOSTS: venueHosts
    .optional()
    .describe(
      'a JSON object from venue id to an https URL (http to this machine), or to {"live": URL, "paper": URL, "testnet": URL}',
    ),
  KEYHOLD_VENUE_PROXIES: venueProxies
    .optional()
    .describe("a JSON object from venue id to the URL of an HTTP proxy"),
  KEYHOLD_EGRESS_ADDRESSES: egressAddresses
    .optional()
    .describe("IP addresses with commas between them, or a JSON object from venue id to a list of them"),
  KEYHOLD_AMBIGUOUS_HOURS: wholeNumber(1, 720)
    .prefault("24")
    .describe("a whole number of hours from 1 to 720"),
  KEYHOLD_WEBHOOK_NETWORKS: networkList
    .optional()
    .describe("networks such as 10.0.0.0/8, with commas between them"),
  KEYHOLD_ROLE: z.enum(["all", "api", "worker"]).prefault("all").describe("all, api or worker"),
  KEYHOLD_LOG_LEVEL: z
    .enum(["debug", "info", "warn", "error", "silent"])
    .prefault("info")
    .describe("debug, info, warn, error or silent"),
});
type Values = z.output<typeof serviceVariables>;

/** The variables of the command line as a client. */
const clientVariables = z.object({
  KEYHOLD_URL: guardedUrl
    .prefault("http://127.0.0.1:7070")
    .describe("the https URL of the service, or an http URL of this machine"),
  KEYHOLD_TOKEN: text.optional().describe("a token or an API key"),
});

export type Config = Readonly<{
  /** For the embedded database, and for keys that the first start makes. */
  folder: string;
  database: Readonly<{
    /** `null`: the embedded PostgreSQL. */
    url: string | null;
    ownerUrl: string | null;
    tls: "verify" | "off";
    caFile: string | undefined;
    pooler: "detect" | "transaction";
    /** For requests. */
    connections: number;
    /** For searches and exports. */
    reportConnections: number;
    /** For the work of the clock. */
    workConnections: number;
    /** The account of the embedded PostgreSQL when root starts Keyhold; `null`: a number of its own. */
    user: string | null;
  }>;
  keyFile: string;
  /** The key-encryption keys; `keyFile` is one of their places. */
  keys: KeysConfig;
  stores: StoresConfig;
  vault: VaultConfig | null;
  aws: AwsConfig | null;
  http: Readonly<{
    host: string;
    port: number;
    bodyLimitBytes: number;
    /** Connections at once; half of them from one address at most. */
    connections: number;
    /** The proxies whose `X-Forwarded-For` is believed; `false` for none. */
    trustedProxies: readonly string[] | false;
  }>;
  /** `hosts`: further host names for requests of metrics. */
  metrics: Readonly<{ host: string; port: number; hosts: readonly string[] }>;
  access: Readonly<{ issuers: readonly ConfiguredIssuer[]; localIssuer: boolean }>;
  limits: Readonly<{
    requests: number;
    reveals: number;
    invokes: number;
    /** For requests without a valid token from one address. */
    failures: number;
  }>;
  venues: Readonly<{
    timeoutMs: number;
    /** Derived from the machine when left out. */
    processes?: number;
    processMemoryBytes: number;
    callsPerTenant: number;
    hosts: NonNullable<Values["KEYHOLD_VENUE_HOSTS"]>;
    proxies: Readonly<Record<string, string>>;
    egressAddresses: NonNullable<Values["KEYHOLD_EGRESS_ADDRESSES"]>;
  }>;
  /** How long an ambiguous refusal of a venue must last before it ends a credential. */
  ambiguousMs: number;
  /** Private networks in which receivers of webhooks may be, besides the public internet. */
  webhooks: Readonly<{ networks: readonly string[] }>;
  /** `api` answers requests, `worker` runs the clock, `all` does both. */
  role: Values["KEYHOLD_ROLE"];
  logLevel: Values["KEYHOLD_LOG_LEVEL"];
  /**
   * Variables that begin with KEYHOLD_ and that Keyhold does not read: spelling mistakes, or settings of
   * another version.
   */
  unknownVariables: readonly string[];
}>;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The configuration of the service, checked and frozen. An empty variable counts as not set. Throws
 * `StartError` with one sentence that names the variable and what it accepts, never its value.
 */
export function readConfig(environment: Environment = process.env): Config {
  const values = read(serviceVariables, environment);
  const { DATABASE_URL: url, KEYHOLD_KEY_FILE: keyFile } = values;
  const folder = resolve(values.KEYHOLD_FOLDER);
  const localIssuer =
    values.KEYHOLD_LOCAL_ISSUER ?? (url === undefined && (values.KEYHOLD_ISSUERS ?? []).length === 0);
  refuseContradictions(values, localIssuer, environment);
  return freeze({
    folder,
    database: {
      url: url ?? null,
      ownerUrl: values.KEYHOLD_OWNER_DATABASE_URL ?? null,
      tls: values.KEYHOLD_DATABASE_TLS,
      caFile: values.KEYHOLD_DATABASE_CA_FILE,
      pooler: values.KEYHOLD_DATABASE_POOLER,
      connections: values.KEYHOLD_DATABASE_CONNECTIONS,
      reportConnections: values.KEYHOLD_DATABASE_REPORT_CONNECTIONS,
      workConnections: values.KEYHOLD_DATABASE_WORK_CONNECTIONS,
      user: values.KEYHOLD_DATABASE_USER ?? null,
    },
    keyFile: keyFile === undefined ? join(folder, "key-encryption.key") : resolve(keyFile),
    keys: keysOf(values),
    stores: storesOf(values, folder, environment),
    vault: vaultOf(values),
    aws: awsOf(values),
    http: {
      host: values.KEYHOLD_HOST,
      port: values.KEYHOLD_PORT,
      bodyLimitBytes: values.KEYHOLD_BODY_LIMIT_BYTES,
      connections: values.KEYHOLD_CONNECTIONS,
      trustedProxies: values.KEYHOLD_TRUSTED_PROXIES ?? false,
    },
    metrics: {
      host: values.KEYHOLD_METRICS_HOST,
      port: values.KEYHOLD_METRICS_PORT,
      hosts: values.KEYHOLD_METRICS_HOSTS ?? [],
    },
    access: { issuers: values.KEYHOLD_ISSUERS ?? [], localIssuer },
    limits: limitsOf(values),
    venues: venuesOf(values),
    ambiguousMs: values.KEYHOLD_AMBIGUOUS_HOURS * 3_600_000,
    webhooks: { networks: values.KEYHOLD_WEBHOOK_NETWORKS ?? [] },
    role: values.KEYHOLD_ROLE,
    logLevel: values.KEYHOLD_LOG_LEVEL,
    unknownVariables: unknownNames(environment),
  });
}

/** The URL of the service and the token for a client. Throws `StartError` as `readConfig` does. */
export function readClientConfig(
  environment: Environment = process.env,
): Readonly<{ url: string; token: string | null }> {
  const values = read(clientVariables, environment);
  return { url: values.KEYHOLD_URL, token: values.KEYHOLD_TOKEN ?? null };
}

/**
 * The addresses of Vault and the login, for a command that needs no other configuration. Throws `StartError`
 * as `readConfig` does.
 */
export function readVaultConfig(environment: Environment = process.env): VaultConfig {
  const config = vaultOf(read(z.object(storeVariables), environment));
  if (config !== null) return config;
  throw new StartError("KEYHOLD_VAULT_ADDRESSES must be set: the URLs of the nodes of Vault.");
}

/** Each variable with what it accepts and its default as text. A test compares the guide with it. */
export function describeVariables(): readonly Readonly<{
  name: string;
  accepts: string;
  fallback: string | null;
}>[] {
  return [serviceVariables, clientVariables].flatMap(({ shape }) =>
    Object.entries(shape).map(([name, schema]) => ({
      name,
      accepts: schema.description ?? "",
      fallback: schema instanceof z.ZodPrefault ? schema.def.defaultValue : null,
    })),
  );
}

function read<T>(schema: z.ZodType<T>, environment: Environment): T {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(set);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const name = String(issue?.path[0]);
  const accepts = describeVariables().find((variable) => variable.name === name)?.accepts;
  throw new StartError(`${name} must be ${accepts}.${mistakeIn(environment[name], issue)}`);
}

function refuseContradictions(values: Values, localIssuer: boolean, environment: Environment): void {
  if (environment["DATABASE_URL"] === "" && values.KEYHOLD_KEY_FILE !== undefined) {
    throw new StartError(
      "DATABASE_URL is set to nothing, and KEYHOLD_KEY_FILE names the keys of a database. Set DATABASE_URL, or remove it to use the embedded PostgreSQL.",
    );
  }
  if (values.DATABASE_URL === undefined) {
    if (values.KEYHOLD_OWNER_DATABASE_URL !== undefined) {
      throw new StartError(
        "KEYHOLD_OWNER_DATABASE_URL is set and DATABASE_URL is not: set both, or neither.",
      );
    }
  } else if (values.KEYHOLD_KEY_FILE === undefined && values.KEYHOLD_KEYS.includes("file")) {
    throw new StartError(
      "KEYHOLD_KEY_FILE must be set beside DATABASE_URL: the path of the file with the key-encryption keys.",
    );
  }
  if (localIssuer && values.KEYHOLD_ROLE !== "worker" && !isLoopback(values.KEYHOLD_HOST)) {
    throw new StartError(
      "KEYHOLD_HOST is not this machine's loopback, and the service would sign tokens for every tenant itself: set KEYHOLD_ISSUERS to " +
        "your identity provider, and leave KEYHOLD_LOCAL_ISSUER out or set it to off. `keyhold operator-key create` makes the first key of the operator.",
    );
  }
  if (!localIssuer && (values.KEYHOLD_ISSUERS ?? []).length === 0) {
    throw new StartError(
      "Nobody could sign in: set KEYHOLD_ISSUERS to those who may sign tokens, or KEYHOLD_LOCAL_ISSUER to on.",
    );
  }
}

function limitsOf(values: Values): Config["limits"] {
  return {
    requests: values.KEYHOLD_REQUESTS_PER_MINUTE,
    reveals: values.KEYHOLD_REVEALS_PER_MINUTE,
    invokes: values.KEYHOLD_INVOKES_PER_MINUTE,
    failures: values.KEYHOLD_FAILURES_PER_MINUTE,
  };
}

function venuesOf(values: Values): Config["venues"] {
  return {
    timeoutMs: values.KEYHOLD_VENUE_TIMEOUT_MS,
    ...(values.KEYHOLD_VENUE_PROCESSES === undefined ? {} : { processes: values.KEYHOLD_VENUE_PROCESSES }),
    processMemoryBytes: values.KEYHOLD_VENUE_PROCESS_MEMORY_MB * 1024 * 1024,
    callsPerTenant: values.KEYHOLD_VENUE_CALLS_PER_TENANT,
    hosts: values.KEYHOLD_VENUE_HOSTS ?? {},
    proxies: values.KEYHOLD_VENUE_PROXIES ?? {},
    egressAddresses: values.KEYHOLD_EGRESS_ADDRESSES ?? [],
  };
}

/** A JSON list begins with a bracket; a path does not. */
function inlineOrFile(value: string, context: z.RefinementCtx): string {
  if (value.startsWith("[")) return value;
  try {
    return readFileSync(value, "utf8");
  } catch {
    context.addIssue({ code: "custom", message: "cannot be read" });
    return z.NEVER;
  }
}

/** Tests use KEYHOLD_TEST_. */
function unknownNames(environment: Environment): readonly string[] {
  const known = new Set(describeVariables().map(({ name }) => name));
  return Object.keys(environment).filter(
    (name) => /^KEYHOLD_(?!TEST_)/.test(name) && !known.has(name) && !sealedVariable.test(name),
  );
}

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) freeze(part);
  }
  return Object.freeze(value);
}
