import { readFile } from "node:fs/promises";
import { isIPv4 } from "node:net";
import { Kysely, PostgresDialect } from "kysely";
import { Pool } from "pg";
import type { ClientConfig } from "pg";
import { StartError } from "../errors.ts";
import type { Database } from "./schema.ts";
import type { TenantShares } from "./shares.ts";
import { types } from "./types.ts";

/** With `shares`, the transactions of one tenant take a part of the connections and never all of them. */
export type Db = Kysely<Database> & Readonly<{ shares?: TenantShares }>;

export type DatabaseSettings = Readonly<{
  /** postgres://user:password@host:port/database; a Unix socket is `?host=/folder` or a host of `%2Ffolder`. */
  url: string;
  /** For a host that is not this machine. `off` sends passwords and rows in the clear. */
  tls: "verify" | "off";
  /** Authorities that sign the server's certificate (PEM), instead of those that Node trusts. */
  caFile?: string | undefined;
}>;

export type PoolOptions = Readonly<{
  /** What `pg_stat_activity` shows. */
  applicationName: string;
  /** Connections at most. */
  max?: number;
  /** Milliseconds to wait for a connection before the query fails. */
  patience?: number;
  /** Milliseconds after which a statement counts as failed, whether the server says so or says nothing. */
  answerWithin?: number;
  /** Told of connections that broke while idle; the pool has replaced them already. */
  onBroken?: (error: Error) => void;
}>;

/**
 * Turns a URL into connection facts. A remote server must prove its name with a certificate unless `tls` is `off`.
 * Throws StartError, without the URL, which holds a password.
 */
export async function connectionFromUrl(settings: DatabaseSettings): Promise<ClientConfig> {
  const url = parseUrl(settings.url);
  const host = url.searchParams.get("host") ?? decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1");
  if (host === "" || url.username === "" || url.pathname.length < 2) {
    throw new StartError(
      "The database URL needs a user, a host and a database: postgres://user@host/database.",
    );
  }
  return {
    host,
    port: url.port === "" ? 5432 : Number(url.port),
    user: decodeURIComponent(url.username),
    ...(url.password === "" ? {} : { password: decodeURIComponent(url.password) }),
    database: decodeURIComponent(url.pathname.slice(1)),
    ssl: await tlsFor(host, settings),
  };
}

/** Opens no connection yet. */
export function openPool(connection: ClientConfig, options: PoolOptions): Pool {
  const pool = new Pool({
    ...connection,
    types,
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.patience ?? 5_000,
    ...(options.answerWithin === undefined
      ? {}
      : { statement_timeout: options.answerWithin, query_timeout: options.answerWithin }),
    keepAlive: true,
  });
  // Without a listener a connection that the server closes would end the process. Whoever holds it learns at its next query.
  pool.on("error", options.onBroken ?? (() => undefined));
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** `destroy()` of what this returns ends the pool. */
export function openDb(pool: Pool, shares?: TenantShares): Db {
  const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
  return shares === undefined ? db : Object.assign(db, { shares });
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !["postgres:", "postgresql:"].includes(url.protocol)) {
    throw new StartError("The database URL is not of the form postgres://user@host/database.");
  }
  // pg would let `sslmode=no-verify` in a URL win over everything else.
  const unknown = [...url.searchParams.keys()].find((name) => name !== "host");
  if (unknown !== undefined) {
    throw new StartError(
      `The database URL has a parameter that Keyhold does not read: ${unknown}. TLS has settings of its own.`,
    );
  }
  return url;
}

async function tlsFor(host: string, settings: DatabaseSettings): Promise<ClientConfig["ssl"]> {
  if (settings.tls === "off" || isThisMachine(host)) return false;
  const ca = settings.caFile === undefined ? {} : { ca: await readFile(settings.caFile, "utf8") };
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
