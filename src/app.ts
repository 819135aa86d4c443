import { once } from "node:events";
import type { Server } from "node:http";
import { sql } from "kysely";
import { KeyUses, OperatorKeys } from "./access/api-keys.ts";
import { Authenticator } from "./access/authenticate.ts";
import { type LocalIssuer, openLocalIssuer } from "./access/local-issuer.ts";
import { Memberships, type Prove } from "./access/membership.ts";
import { RateLimits } from "./access/rate-limits.ts";
import { createTokenVerifier, remoteIssuer } from "./access/tokens.ts";
import { Strangers } from "./access/unauthenticated.ts";
import { refusalRecorder } from "./audit/refusals.ts";
import type { Config } from "./config/config.ts";
import type { Custody } from "./credentials/custody.ts";
import { type Db, openDb } from "./db/connect.ts";
import { KeyholdError, StartError } from "./errors.ts";
import { IdempotencyKeys } from "./http/idempotency.ts";
import { createMetricsServer } from "./http/metrics-server.ts";
import { Cursors } from "./http/paging.ts";
import { createRoutes } from "./http/routes/index.ts";
import { createServer } from "./http/server.ts";
import { signer } from "./http/sign.ts";
import { startClock } from "./jobs/clock.ts";
import { Deliveries } from "./jobs/deliver-webhooks.ts";
import { type OpenCustody, openCustody } from "./open-custody.ts";
import type { Log } from "./telemetry/log.ts";
import { egressAddresses } from "./venues/index.ts";

/** The running service: its verbs for code in this process, and the addresses of its doors. */
export type App = Readonly<{
  /** The address of the API, such as `http://127.0.0.1:7070`; `null` for a worker, which has none. */
  url: string | null;
  metricsUrl: string;
  /** What and where the database is, for its operator. */
  database: string;
  custody: Custody;
  localIssuer: LocalIssuer | null;
  /** Set when this start made the key file, which must be backed up. */
  newKeyFile: string | null;
  /** Resolves when the database has ended for good: then the service should end. */
  lost: Promise<StartError>;
  stop(): Promise<void>;
}>;

/**
 * Opens the domain, its doors and the clock. `begin`: with an empty embedded database, although a key file or
 * a note shows an earlier one. A failure stops what was started before. Throws `StartError`.
 */
export async function startApp(
  config: Config,
  log: Log,
  { begin = false }: Readonly<{ begin?: boolean }> = {},
): Promise<App> {
  await using undo = new AsyncDisposableStack();
  const open = await openCustody(config, log, { begin });
  undo.defer(() => open.close());
  const {
    custody,
    metrics,
    newKeyFile,
    database: { lost, name: database },
  } = open;
  if (config.role !== "api") {
    const work = startWork(open, log);
    undo.defer(() => work.stop());
  }
  const localIssuer = config.access.localIssuer ? await openLocalIssuer(config.folder) : null;
  if (localIssuer !== null)
    log.warn("this service signs tokens itself: set KEYHOLD_ISSUERS before it is used by others");
  const url =
    config.role === "worker"
      ? null
      : await openDoor(await createDoor(open, { config, localIssuer, log }), config, undo);
  const { host, hosts } = config.metrics;
  const metricsServer = createMetricsServer(metrics.registry, [host, ...hosts]);
  undo.defer(() => closeServer(metricsServer));
  const metricsUrl = await listen(metricsServer, config.metrics);
  const running = undo.move();
  const stop = (): Promise<void> => running.disposeAsync();
  return { url, metricsUrl, database, custody, localIssuer, newKeyFile, lost, stop };
}

/** Starts the clock and the delivery of webhooks. */
function startWork(
  { background: { custody, webhooks }, metrics }: OpenCustody,
  log: Log,
): Readonly<{ stop(): Promise<void> }> {
  const clock = startClock({ custody, log, metrics });
  const deliveries = new Deliveries({ webhooks, log, metrics });
  return { stop: async () => void (await Promise.all([clock.stop(), deliveries.stop()])) };
}

async function openDoor(
  server: Awaited<ReturnType<typeof createDoor>>,
  { http: { host, port } }: Config,
  undo: AsyncDisposableStack,
): Promise<string> {
  undo.defer(() => server.close());
  const listener = { host, port, hostVariable: "KEYHOLD_HOST", portVariable: "KEYHOLD_PORT" };
  return listenOn(listener, () => server.listen({ host, port }));
}

/** The longest delay of the last use of an API key. */
const writeUsesMs = 30_000;

/** The API over a custody, not listening yet. */
export async function createDoor(
  { custody, webhooks, database, metrics, prove }: OpenCustody,
  { config, localIssuer, log }: Readonly<{ config: Config; localIssuer: LocalIssuer | null; log: Log }>,
) {
  // A pool of its own, so that authentication and rate limits do not wait behind other requests for a
  // connection.
  const accessPool = database.openPool({ applicationName: "keyhold access", max: 4, answerWithin: 2000 });
  const access = openDb(accessPool);
  const keyUses = new KeyUses(access);
  const known = { db: access, prove, keyUses, log };
  const authenticator = createAuthenticator(config, known, localIssuer);
  const sign = signer((tenantId, purpose, bytes) => custody.dataKeys.mac(tenantId, purpose, bytes));
  const routes = createRoutes({
    custody,
    webhooks,
    cursors: new Cursors(sign),
    egressAddresses: (venue) => egressAddresses(config.venues, venue),
    forget: (memberId) => authenticator.forget(memberId),
    ready: shared(() => readiness(custody)),
  });
  const limits = new RateLimits(accessPool, config.limits);
  const idempotency = new IdempotencyKeys(custody.db, sign);
  const strangers = new Strangers(config.limits.failures);
  const server = await createServer(
    {
      authenticator,
      strangers,
      limits,
      recordRefusal: refusalRecorder(custody.db),
      idempotency,
      metrics,
      log,
      http: config.http,
    },
    routes,
  );
  const writing = setInterval(() => void keyUses.write(), writeUsesMs).unref();
  return server.addHook("onClose", async () => {
    clearInterval(writing);
    await keyUses.write();
  });
}

/**
 * Requests that arrive during a query share its answer, so that a flood of requests is no flood of queries.
 */
function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () =>
    (running ??= ask().finally(() => {
      running = null;
    }));
}

/**
 * Throws `not_ready` unless the database answers. While a store is away the service still serves its cached
 * copies, so no balancer should remove the process for it.
 */
async function readiness({ db, stores }: Pick<Custody, "db" | "stores">): Promise<"ok" | "degraded"> {
  await sql`select 1`.execute(db).catch((cause: unknown) => {
    throw new KeyholdError("not_ready", "The database does not answer.", { cause });
  });
  return (await stores.first.health()).outcome === "healthy" ? "ok" : "degraded";
}

async function listen(
  server: Server,
  { host, port }: Pick<Config["metrics"], "host" | "port">,
): Promise<string> {
  const listener = {
    host,
    port,
    hostVariable: "KEYHOLD_METRICS_HOST",
    portVariable: "KEYHOLD_METRICS_PORT",
  };
  await listenOn(listener, () => once(server.listen(port, host), "listening"));
  const address = server.address();
  if (address === null || typeof address === "string") throw new StartError("The metrics have no address.");
  return `http://${host}:${address.port}/metrics`;
}

/** What a start reports, by the system's error code. */
const refusals: Readonly<Record<string, (listener: Parameters<typeof listenOn>[0]) => string>> = {
  EADDRINUSE: ({ host, port, portVariable }) =>
    `Port ${port} of ${host} is in use. Stop the program that uses it, or set ${portVariable} to another port.`,
  EACCES: ({ port, portVariable }) =>
    `The user who runs Keyhold may not listen on port ${port}. Set ${portVariable} to a port from 1024.`,
  EADDRNOTAVAIL: ({ host, hostVariable }) =>
    `This machine has no address ${host}. Set ${hostVariable} to one of its addresses.`,
  ENOTFOUND: ({ host, hostVariable }) => `The host name ${host} in ${hostVariable} does not exist.`,
  EAI_AGAIN: ({ host, hostVariable }) => `The host name ${host} in ${hostVariable} cannot be resolved now.`,
};

/** Runs `start`. Throws `StartError`, which names the setting to change, if the address cannot be used. */
async function listenOn<T>(
  listener: Readonly<{ host: string; port: number; hostVariable: string; portVariable: string }>,
  start: () => Promise<T>,
): Promise<T> {
  try {
    return await start();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const refuse = refusals[code];
    throw refuse === undefined ? cause : new StartError(refuse(listener), { cause });
  }
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function createAuthenticator(
  config: Config,
  { db, prove, keyUses, log }: Readonly<{ db: Db; prove: Prove; keyUses: KeyUses; log: Log }>,
  local: LocalIssuer | null,
): Authenticator {
  const issuers = config.access.issuers.map((configured) => {
    const { issuer } = configured;
    return remoteIssuer(configured, (error) =>
      log.warn("the keys of an issuer cannot be fetched", { issuer, error }),
    );
  });
  const verify = createTokenVerifier(local === null ? issuers : [...issuers, local.issuer]);
  return new Authenticator(verify, new Memberships(db, prove), Date.now, new OperatorKeys(db), keyUses);
}
