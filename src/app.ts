import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import type { Server } from "node:http";
import { sql } from "kysely";
import { Authenticator } from "./access/authenticate.ts";
import { type LocalIssuer, openLocalIssuer } from "./access/local-issuer.ts";
import { Memberships } from "./access/membership.ts";
import { RateLimits } from "./access/rate-limits.ts";
import { createTokenVerifier, remoteIssuer } from "./access/tokens.ts";
import { Disclosures } from "./audit/disclosures.ts";
import type { Config } from "./config.ts";
import type { Custody } from "./credentials/custody.ts";
import type { Db } from "./db/connect.ts";
import { type StartedDatabase, startDatabase } from "./db/start.ts";
import { createTurns } from "./db/turns.ts";
import { KeyholdError, StartError } from "./errors.ts";
import { Cursors } from "./http/cursor.ts";
import { IdempotencyKeys } from "./http/idempotency.ts";
import { createMetricsServer } from "./http/metrics-server.ts";
import { createRoutes } from "./http/routes/index.ts";
import { createServer } from "./http/server.ts";
import { signer } from "./http/sign.ts";
import { type Clock, startClock } from "./jobs/clock.ts";
import { DataKeys } from "./keys/data-keys.ts";
import { openKeyFile } from "./keys/open-key-file.ts";
import type { KeyProvider } from "./keys/key-provider.ts";
import { createStores } from "./stores/index.ts";
import { measured } from "./stores/measured.ts";
import { createPostgresStore } from "./stores/postgres.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics, type CredentialCount, type Metrics } from "./telemetry/metrics.ts";
import { createVenues, egressAddresses, type Venues } from "./venues/index.ts";

/** The running service: the verbs, for code in this process, and where its doors are. */
export type App = Readonly<{
  /** Where the API answers, such as `http://127.0.0.1:7070`. */
  url: string;
  metricsUrl: string;
  custody: Custody;
  clock: Clock;
  localIssuer: LocalIssuer | null;
  /** Set when this start made the key file, which must be backed up. */
  newKeyFile: string | null;
  stop(): Promise<void>;
}>;

/** The record must be on disk within this time, or nothing is disclosed. */
const recordWithinMs = 2000;
/** Turns are held for the length of a venue's call. */
const turnsAtOnce = 20;

/** Connects the parts, from the ground up; whatever fails ends what was started before it. Throws `StartError`. */
export async function startApp(config: Config, log: Log): Promise<App> {
  await using undo = new AsyncDisposableStack();
  await mkdir(config.folder, { recursive: true, mode: 0o700 });
  const database = await startDatabase(config);
  undo.defer(() => database.stop());
  const keys = await openKeyFile(database.db, { path: config.keyFile, embeddedIn: database.embeddedIn });
  const metrics = createMetrics({ countCredentials: () => countCredentials(database.db) });
  const venues = createVenues(config.venues);
  undo.defer(() => venues.close());
  const turnsPool = database.openPool({ applicationName: "keyhold turns", max: turnsAtOnce });
  const custody = createCustody(database, keys.provider, venues, metrics, createTurns(turnsPool));
  const clock = startClock({ custody, pool: turnsPool, log, metrics });
  undo.defer(() => clock.stop());
  const localIssuer = config.access.localIssuer ? await openLocalIssuer(config.folder) : null;
  const server = await createDoor({ config, database, custody, localIssuer, metrics, log });
  undo.defer(() => server.close());
  const url = await server.listen({ host: config.http.host, port: config.http.port });
  const metricsServer = createMetricsServer(metrics.registry);
  undo.defer(() => closeServer(metricsServer));
  const metricsUrl = await listen(metricsServer, config.metrics);
  const running = undo.move();
  const newKeyFile = keys.created ? config.keyFile : null;
  return { url, metricsUrl, custody, clock, localIssuer, newKeyFile, stop: () => running.disposeAsync() };
}

type DoorParts = Readonly<{
  config: Config;
  database: StartedDatabase;
  custody: Custody;
  localIssuer: LocalIssuer | null;
  metrics: Metrics;
  log: Log;
}>;

async function createDoor({ config, database, custody, localIssuer, metrics, log }: DoorParts) {
  const authenticator = createAuthenticator(config, database.db, localIssuer);
  const limitsPool = database.openPool({ applicationName: "keyhold limits", max: 2 });
  const sign = signer((tenantId, purpose, bytes) => custody.dataKeys.mac(tenantId, purpose, bytes));
  const routes = createRoutes({
    custody,
    cursors: new Cursors(sign),
    egressAddresses: (venue) => egressAddresses(config.venues, venue),
    forget: (memberId) => authenticator.forget(memberId),
    ready: () => assertReady(custody),
  });
  const limits = new RateLimits(limitsPool, config.limits);
  const idempotency = new IdempotencyKeys(custody.db, sign);
  return createServer({ authenticator, limits, idempotency, metrics, log, http: config.http }, routes);
}

/** Throws `not_ready` unless database and store answer. */
async function assertReady({ stores }: Pick<Custody, "stores">): Promise<void> {
  const health = await stores.first.health();
  if (health.outcome === "healthy") return;
  throw new KeyholdError("not_ready", `The store ${stores.first.name} is ${health.outcome}.`);
}

async function listen(server: Server, { host, port }: Config["metrics"]): Promise<string> {
  server.listen(port, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new StartError("The metrics have no address.");
  return `http://${host}:${address.port}/metrics`;
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function createCustody(
  database: StartedDatabase,
  keyProvider: KeyProvider,
  venues: Venues,
  metrics: Metrics,
  turns: Custody["turns"],
): Custody {
  const { db } = database;
  const recordPool = database.openPool({
    applicationName: "keyhold record",
    max: 2,
    patience: recordWithinMs,
    answerWithin: recordWithinMs,
  });
  return {
    db,
    disclosures: new Disclosures(recordPool, {
      onGroup: (size) => metrics.disclosureGroupSize.observe(size),
    }),
    dataKeys: new DataKeys(db, keyProvider),
    stores: createStores(measured(createPostgresStore(db), metrics)),
    venues,
    turns,
    inspected(venue, verdict, seconds) {
      metrics.validations.inc({ venue, outcome: verdict.outcome });
      metrics.validationSeconds.observe({ venue }, seconds);
    },
  };
}

function createAuthenticator(config: Config, db: Db, local: LocalIssuer | null): Authenticator {
  const issuers = config.access.issuers.map((issuer) => remoteIssuer(issuer));
  const verify = createTokenVerifier(local === null ? issuers : [...issuers, local.issuer]);
  return new Authenticator(verify, new Memberships(db));
}

async function countCredentials(db: Db): Promise<readonly CredentialCount[]> {
  const { rows } = await sql<CredentialCount>`select * from clock.credential_counts()`.execute(db);
  return rows;
}
