import { isIPv4 } from "node:net";
import { callbackify } from "node:util";
import { Kysely, PostgresDialect } from "kysely";
import {
  Client,
  type ClientConfig,
  Pool,
  type PoolClient,
  type PoolConfig,
  TypeOverrides,
  types as defaults,
} from "pg";
import { readAuthorities } from "../authority-file.ts";
import { StartError } from "../errors.ts";
import type { Database } from "./schema.ts";
import type { TenantShares } from "./shares.ts";
import { type DatabaseUrl, type Host, parseDatabaseUrl } from "./url.ts";

/**
 * With `shares`, the transactions of one tenant take a part of the connections and never all of them.
 * `statementWithin`: milliseconds for each statement of a transaction, for a session that does not begin with
 * this limit.
 */
export type Db = Kysely<Database> & Readonly<{ shares?: TenantShares; statementWithin?: number }>;

type DatabaseSettings = Readonly<{
  /** postgres://user:password@host:port/database, as `url.ts` reads it. */
  url: string;
  /** For a host that is not this machine. `off` sends passwords and rows in the clear. */
  tls: "verify" | "off";
  /** Authorities that sign the certificate of the server (PEM), in place of those that Node trusts. */
  caFile?: string | undefined;
  /**
   * `transaction`: a pooler lends a connection of the server for one transaction. `detect` looks for a pooler
   * at the start.
   */
  pooler?: "detect" | "transaction";
  /** The setting that holds the URL, for messages. */
  variable?: string;
}>;

/** How to connect to a database. */
export type Connection = ClientConfig &
  Readonly<{
    /** Other hosts, of which one may be the primary. */
    others?: readonly Host[];
    /** A session keeps nothing beyond a transaction, and begins without parameters. */
    pooled?: boolean;
  }>;

export type PoolOptions = Readonly<{
  /** What `pg_stat_activity` shows. */
  applicationName: string;
  /** Connections at most. */
  max?: number;
  /** Milliseconds to wait for a connection before the query fails. */
  patience?: number;
  /** Milliseconds after which a statement counts as failed, with or without an answer of the server. */
  answerWithin?: number;
  /** Called for each connection that broke while idle; the pool has replaced it already. */
  onBroken?: (error: Error) => void;
}>;

/**
 * Turns a URL into connection facts. A remote server must prove its name with a certificate unless `tls` is
 * `off`. Throws StartError without the URL, which contains a password.
 */
export async function connectionFromUrl(settings: DatabaseSettings): Promise<Connection> {
  const { url: text, variable = "DATABASE_URL", pooler } = settings;
  const url = parseDatabaseUrl(text, variable);
  const [first = { host: "", port: 0 }, ...others] = url.hosts;
  const { user, password, database, options } = url;
  return {
    ...first,
    user,
    ...(password === undefined ? {} : { password }),
    database,
    ssl: await tlsFor(url, settings),
    ...(url.channelBinding ? { enableChannelBinding: true } : {}),
    ...(options === undefined ? {} : { options }),
    ...(others.length === 0 ? {} : { others }),
    ...(url.pooled || pooler === "transaction" ? { pooled: true } : {}),
  };
}

/** Opens no connection yet. */
export function openPool(
  { others = [], pooled = false, ...connection }: Connection,
  options: PoolOptions,
): Pool {
  const { answerWithin } = options;
  const config: PoolConfig = {
    ...connection,
    types,
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.patience ?? 5_000,
    ...(answerWithin === undefined ? {} : { query_timeout: answerWithin }),
    ...(answerWithin === undefined || pooled ? {} : { statement_timeout: answerWithin }),
    keepAlive: true,
  };
  const pool = others.length === 0 ? new Pool(config) : new PoolOfHosts(config, others);
  // Without a listener, a connection that the server closes would end the process. Its next query fails in
  // any case.
  pool.on("error", options.onBroken ?? (() => undefined));
  pool.on("connect", (client) => {
    client.on("error", () => undefined);
    if (pooled) dropNames(client);
  });
  return pool;
}

/**
 * A pooler gives each transaction another session of the server. A statement that was prepared by name in one
 * session need not exist in the next, so no statement keeps its name.
 */
function dropNames(client: { query(...given: unknown[]): unknown }): void {
  const query = client.query.bind(client);
  client.query = (statement, ...rest) => query(withoutName(statement), ...rest);
}

function withoutName(statement: unknown): unknown {
  const isConfig = typeof statement === "object" && statement !== null && "text" in statement;
  return isConfig && !("submit" in statement) ? { ...statement, name: undefined } : statement;
}

/** `destroy()` of the result ends the pool. */
export function openDb(pool: Pool, shares?: TenantShares): Db {
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  const { query_timeout: answerWithin, statement_timeout: ofSession } = pool.options;
  return Object.assign(
    db,
    shares === undefined ? {} : { shares },
    answerWithin === undefined || ofSession !== undefined ? {} : { statementWithin: answerWithin },
  );
}

async function tlsFor(
  { hosts, tls: asked, caFile: named }: DatabaseUrl,
  { tls, caFile = named, variable = "DATABASE_URL" }: DatabaseSettings,
): Promise<ClientConfig["ssl"]> {
  const remote = hosts.filter(({ host }) => !isThisMachine(host));
  if (remote.length > 0 && asked === "off" && tls === "verify") {
    throw new StartError(
      `${variable} asks for no TLS, which sends passwords and rows in the clear. Remove sslmode=disable, or set KEYHOLD_DATABASE_TLS to off as well.`,
    );
  }
  if (asked === "require" && tls === "off") {
    throw new StartError(`${variable} asks for TLS, and KEYHOLD_DATABASE_TLS is off. Remove one of both.`);
  }
  const onThisMachine = asked === "require" && hosts.some(({ host }) => !host.startsWith("/"));
  if (tls === "off" || (remote.length === 0 && !onThisMachine)) return false;
  const from =
    caFile === named && named !== undefined ? `sslrootcert in ${variable}` : "KEYHOLD_DATABASE_CA_FILE";
  const ca = caFile === undefined ? {} : { ca: await readAuthorities(caFile, from) };
  return { rejectUnauthorized: true, ...ca };
}

function isThisMachine(host: string): boolean {
  return (
    host.startsWith("/") ||
    host === "localhost" ||
    host === "::1" ||
    (isIPv4(host) && host.startsWith("127."))
  );
}

/**
 * How each connection of Keyhold converts values: int8 → number (throws beyond 2⁵³), timestamptz → Date
 * (milliseconds; SQL computes what needs more), bytea → Buffer, json and jsonb → parsed. A date or a
 * timestamp without a zone stays text, because pg would read it in the zone of the machine.
 */
export const types = new TypeOverrides();

const { builtins } = defaults;
types.setTypeParser(builtins.INT8, parseInteger);
types.setTypeParser(builtins.DATE, asText);
types.setTypeParser(builtins.TIMESTAMP, asText);

function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError("an int8 of the database is no safe integer");
  return value;
}

function asText(text: string): string {
  return text;
}

/** The server accepts no writes: SQLSTATE 25006, read_only_sql_transaction. */
class Standby extends Error {
  override readonly name = "Standby";
  readonly code = "25006";
}

type Done = (
  error: Error | undefined,
  client: PoolClient | undefined,
  release: (broken?: unknown) => void,
) => void;

/**
 * Connections to the primary among several hosts. A new connection goes to the host that was the last
 * primary. If that host cannot be reached or is a standby now, the next host is tried.
 */
class PoolOfHosts extends Pool {
  readonly #hosts: Hosts;

  constructor({ host = "", port = 5432, ...config }: PoolConfig, others: readonly Host[]) {
    const hosts = new Hosts([{ host, port }, ...others]);
    super({ ...config, Client: clientOf(hosts), verify: callbackify(refuseStandby) });
    this.#hosts = hosts;
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: Done): void;
  override connect(callback?: Done): Promise<PoolClient> | void {
    if (callback === undefined) return this.#connect();
    callbackify(() => this.#connect())((error, client) =>
      callback(error ?? undefined, client, (broken) => client?.release(Boolean(broken))),
    );
  }

  async #connect(): Promise<PoolClient> {
    for (let tries = 1; ; tries += 1) {
      const asked = this.#hosts.present;
      try {
        return await super.connect();
      } catch (error) {
        this.#hosts.leave(asked);
        if (tries >= this.#hosts.count) throw error;
      }
    }
  }
}

/** The hosts, and the one for new connections. */
class Hosts {
  readonly #all: readonly Host[];
  #at = 0;

  constructor(all: readonly Host[]) {
    this.#all = all;
  }

  get count(): number {
    return this.#all.length;
  }

  get present(): Host {
    return this.#all[this.#at] ?? { host: "", port: 0 };
  }

  /** Goes on to the next, unless another connection has done so. */
  leave(host: Host): void {
    if (host === this.present) this.#at = (this.#at + 1) % this.#all.length;
  }
}

function clientOf(hosts: Hosts): typeof Client {
  return class extends Client {
    constructor(config: string | ClientConfig = {}) {
      // The pool hides its password from copies of its options.
      const { password } = typeof config === "string" ? {} : config;
      super({ ...(typeof config === "string" ? {} : config), password, ...hosts.present });
    }
  };
}

async function refuseStandby(client: Pick<Client, "query">): Promise<void> {
  const { rows } = await client.query<{ standby: boolean }>("select pg_is_in_recovery() as standby");
  if (rows[0]?.standby !== false) throw new Standby("the server is a standby");
}
