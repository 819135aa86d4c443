import { sql } from "kysely";
import type { Pool } from "pg";
import type { Config } from "../config/config.ts";
import { StartError } from "../errors.ts";
import {
  type Connection,
  connectionFromUrl,
  type Db,
  openDb,
  openPool,
  type PoolOptions,
} from "./connect.ts";
import { embeddedDatabase, startEmbedded, joinEmbedded } from "./embedded.ts";
import { ownerRole } from "./embedded/passwords.ts";
import { migrate, pendingMigrations } from "./migrate.ts";
import { reachServer } from "./reach.ts";
import { guardRole, appRole, ensureRoles } from "./roles.ts";
import { type ShareOptions, TenantShares } from "./shares.ts";

export type StartSettings = Pick<Config, "folder" | "database" | "keyFile" | "keys">;

/** What happens to the database while it starts and serves, for the log. */
export type DatabaseEvent = "waiting" | "ended" | "restarted";

export type StartOptions = Readonly<{
  /**
   * For a command beside the service: it uses the running database of the service, and makes and migrates
   * none.
   */
  beside?: boolean;
  /** Begin with an empty embedded database, although a key file or a note shows an earlier one. */
  begin?: boolean;
  onEvent?: (event: DatabaseEvent) => void;
  /** Milliseconds to wait for a database that is not embedded. */
  waitMs?: number;
  /** The share of one tenant in the connections for requests and for reports. */
  shares?: Omit<ShareOptions, "connections">;
}>;

/**
 * After this time a request without an answer of the database has failed, and its connection serves others.
 */
const answerRequestWithinMs = 15_000;

/** A migrated database whose row-level security binds the service. */
export type StartedDatabase = Readonly<{
  db: Db;
  /** The data folder of the embedded PostgreSQL; `null` for another database. */
  embeddedIn: string | null;
  /** What this start changed in an embedded database of an older Keyhold, for the log. */
  changes: readonly string[];
  /**
   * Resolves when the embedded PostgreSQL has ended for good, which ends the service; never for another
   * database.
   */
  lost: Promise<StartError>;
  /** What and where the database is, for its operator. */
  name: string;
  /** Whether a pooler is in front of it. */
  pooled: boolean;
  /**
   * A further pool of the same role, for work that must neither wait for the rest nor delay it. Ends with
   * `stop`.
   */
  openPool(options: PoolOptions): Pool;
  /**
   * The same for statements of many tenants. With `shares`, no tenant takes all connections. Ends with
   * `stop`.
   */
  openDb(options: PoolOptions & Readonly<{ max: number; shares?: Omit<ShareOptions, "connections"> }>): Db;
  stop(): Promise<void>;
}>;

type Server = Readonly<{
  app: Connection;
  owner: Connection | null;
  data: string | null;
  changes: readonly string[];
  lost?: Promise<StartError>;
  stop(): Promise<void>;
}>;

/**
 * Starts or reaches the database, migrates it as its owner, and refuses a role that could bypass row-level
 * security. Throws `StartError`.
 */
export async function startDatabase(
  settings: StartSettings,
  options: StartOptions = {},
): Promise<StartedDatabase> {
  const { beside = false, shares = {} } = options;
  await using undo = new AsyncDisposableStack();
  const server = (beside ? await join(settings) : null) ?? (await reach(settings, options));
  undo.defer(() => server.stop());
  if (server.owner !== null) {
    const owner = await whenItAnswers(server, server.owner, ownerVariable, options);
    await (beside ? assertUpToDate(owner) : prepare(owner));
  }
  const app = await whenItAnswers(server, server.app, "DATABASE_URL", options);
  const connections = settings.database.connections;
  const forRequests = { applicationName: "keyhold", max: connections, answerWithin: answerRequestWithinMs };
  const db = openDb(openPool(app, forRequests), new TenantShares({ ...shares, connections }));
  undo.defer(() => db.destroy());
  await guardRole(db);
  await assertMigrated(db);
  const running = undo.move();
  return {
    db,
    embeddedIn: server.data,
    changes: server.changes,
    lost: server.lost ?? new Promise<never>(() => undefined),
    name: nameOf(app, server.data),
    pooled: app.pooled === true,
    openPool(options) {
      const pool = openPool(app, options);
      running.defer(() => pool.end());
      return pool;
    },
    openDb({ shares: own, ...options }) {
      const further = openDb(
        openPool(app, options),
        own === undefined ? undefined : new TenantShares({ ...own, connections: options.max }),
      );
      running.defer(() => further.destroy());
      return further;
    },
    stop: () => running.disposeAsync(),
  };
}

const ownerVariable = "KEYHOLD_OWNER_DATABASE_URL";

/** An embedded server needs no check, because it answers when it has started. */
async function whenItAnswers(
  { data }: Server,
  connection: Connection,
  variable: string,
  { onEvent, waitMs }: StartOptions,
): Promise<Connection> {
  if (data !== null) return connection;
  return reachServer(connection, {
    variable,
    ...(onEvent === undefined ? {} : { onEvent }),
    ...(waitMs === undefined ? {} : { waitMs }),
  });
}

function nameOf({ host, port, database, pooled }: Connection, data: string | null): string {
  if (data !== null) return `the embedded PostgreSQL in ${data}`;
  return `${database ?? ""} at ${host ?? ""}:${port ?? ""}${pooled === true ? ", through a pooler" : ""}`;
}

/** The embedded database of a running service, which has migrated it; `null` when there is none. */
async function join({ folder, database }: StartSettings): Promise<Server | null> {
  const server = database.url === null ? await joinEmbedded(folder) : null;
  if (server === null) return null;
  return {
    app: server.connection(appRole, embeddedDatabase),
    owner: null,
    data: server.data,
    changes: [],
    stop: () => Promise.resolve(),
  };
}

async function reach(settings: StartSettings, { beside, begin, onEvent }: StartOptions): Promise<Server> {
  const { folder, database } = settings;
  if (database.url === null) {
    const server = await startEmbedded({
      folder,
      user: database.user,
      begin: beside === true ? "never" : begin === true ? "asked" : "first",
      keyFile: settings.keys.order.includes("file") ? settings.keyFile : null,
      ...(onEvent === undefined ? {} : { onEvent }),
    });
    return {
      app: server.connection(appRole, embeddedDatabase),
      owner: server.connection(ownerRole, embeddedDatabase),
      data: server.data,
      changes: server.changes,
      lost: server.lost,
      stop: () => server.stop(),
    };
  }
  const { url, ownerUrl, tls, caFile, pooler } = database;
  const rest = { tls, caFile, pooler };
  const owner = ownerUrl === null ? null : { url: ownerUrl, variable: ownerVariable, ...rest };
  return {
    app: await connectionFromUrl({ url, ...rest }),
    owner: owner === null ? null : await connectionFromUrl(owner),
    data: null,
    changes: [],
    stop: () => Promise.resolve(),
  };
}

function prepare(owner: Connection): Promise<void> {
  return asOwner(owner, async (db) => {
    await ensureRoles(db);
    await migrate(db);
  });
}

/** Changes nothing, so that a command of another version does not change the database of the service. */
function assertUpToDate(owner: Connection): Promise<void> {
  return asOwner(owner, async (db) => {
    const [pending] = await pendingMigrations(db);
    if (pending === undefined) return;
    throw new StartError(
      `The database lacks ${pending}, which this version of Keyhold needs. Start the service of this version first: it migrates the database.`,
    );
  });
}

async function asOwner(owner: Connection, work: (db: Db) => Promise<void>): Promise<void> {
  const db = openDb(openPool(owner, { applicationName: "keyhold migrate", max: 2 }));
  try {
    await work(db);
  } finally {
    await db.destroy();
  }
}

async function assertMigrated(db: Db): Promise<void> {
  const { rows } = await sql<{ role: string; there: boolean; readable: boolean }>`
    select current_user::text as role, id is not null as there, has_table_privilege(id, 'SELECT') as readable
    from to_regclass('public.installation') as id`.execute(db);
  const { role, there, readable } = rows[0] ?? { role: "", there: false, readable: false };
  if (!there) {
    throw new StartError(
      "The database has no tables of Keyhold. Set KEYHOLD_OWNER_DATABASE_URL to the URL of the role that may create them.",
    );
  }
  if (!readable) {
    throw new StartError(
      `The role ${role} of DATABASE_URL has no rights on Keyhold's tables. Connect as ${appRole}, or run: grant ${appRole} to "${role}";`,
    );
  }
}
