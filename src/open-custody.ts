import { sql } from "kysely";
import type { Prove } from "./access/membership.ts";
import { prover } from "./audit/change.ts";
import { Disclosures } from "./audit/disclosures.ts";
import { Grants, signWith } from "./audit/grants.ts";
import type { Config } from "./config/config.ts";
import type { Custody } from "./credentials/custody.ts";
import type { Hold } from "./credentials/outcome.ts";
import type { Db } from "./db/connect.ts";
import { type DatabaseEvent, startDatabase, type StartedDatabase, type StartOptions } from "./db/start.ts";
import { createTurns, type Turns } from "./db/turns.ts";
import { storedRefusals } from "./db/venue-refusals.ts";
import { DataKeys } from "./key-encryption/data-keys.ts";
import { openKeys } from "./key-encryption/open.ts";
import { openStores } from "./stores/open.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics, type CredentialCount, type Metrics } from "./telemetry/metrics.ts";
import { signExisting } from "./tenants/sign-rights.ts";
import { openVault } from "./vault/open.ts";
import { assertVenueNames, createVenues, type PoolEvent, type PoolOptions } from "./venues/index.ts";
import { createGuard } from "./webhooks/guard.ts";
import { outboxAge } from "./webhooks/outbox.ts";
import type { Webhooks } from "./webhooks/webhook.ts";

/**
 * The domain with its adapters and without doors: the base of the service and of the commands of an operator.
 */
export type OpenCustody = Readonly<{
  custody: Custody;
  webhooks: Webhooks;
  database: StartedDatabase;
  metrics: Metrics;
  /** The same domain for the clock, on connections that no request can take. */
  background: Readonly<{ custody: Custody; webhooks: Webhooks }>;
  /** Checks that rights are those that were signed. */
  prove: Prove;
  /** Set when this start made the key file, which must be backed up. */
  newKeyFile: string | null;
  close(): Promise<void>;
}>;

/** The record must be on disk within this time, or nothing is disclosed. */
const recordWithinMs = 2000;
/**
 * How many tenants with a slow chain wait at once, with a connection each. One more connection waits for all
 * busy chains.
 */
const slowChainsAtOnce = 4;
/**
 * After this time a search without an answer of the database has failed, and its connection serves others.
 */
const reportWithinMs = 10_000;
/** Work of the clock may take longer than a request, because no caller waits for it. */
const workWithinMs = 60_000;
/** A turn is taken and released by one statement each, and held without a connection. */
const turnStatements = 4;
/** Less than a lease, so that a late answer never stands for a turn that has ended. */
const turnWithinMs = 2000;

/** `venueProcesses`: for proofs, which switch a defence off or plant a fault. */
type OpenOptions = StartOptions & Readonly<{ venueProcesses?: Omit<PoolOptions, "report"> }>;

const refusalHeld: Readonly<Record<Hold, string>> = {
  many: "a venue refuses far too many credentials, so none of them is ended: look at the venue",
  address:
    "a venue refuses several credentials and may mean the address, so none of them is ended: look at the addresses it allows",
  clock: "the clock differs much from that of the venue, so a refusal ends no credential: correct the clock",
};

const databaseNews: Readonly<Record<DatabaseEvent, string>> = {
  waiting: "the database cannot be reached yet, and is waited for",
  ended: "the embedded database has ended, and is started again",
  restarted: "the embedded database runs again",
};

function logEvents(log: Log): (event: DatabaseEvent) => void {
  return (event) => log.warn(databaseNews[event]);
}

/** Connects the parts, from the ground up. A failure stops what was started before. Throws `StartError`. */
export async function openCustody(config: Config, log: Log, options?: OpenOptions): Promise<OpenCustody> {
  assertVenueNames(config.venues);
  await using undo = new AsyncDisposableStack();
  const database = await startDatabase(config, { onEvent: logEvents(log), ...options });
  undo.defer(() => database.stop());
  const { db, embeddedIn } = database;
  logDatabase(database, log);
  const { reports, work } = openFurther(database, config, options);
  const metrics = createMetrics({
    countCredentials: () => countCredentials(work),
    outboxAge: () => outboxAge(work),
  });
  const vault = config.vault === null ? null : await openVault(config.vault, { metrics, log });
  undo.defer(() => vault?.close());
  const { keyFile, aws } = config;
  const creates = options?.beside !== true;
  const keys = await openKeys(config.keys, { db, keyFile, embeddedIn, vault, aws, creates });
  undo.defer(() => keys.close());
  const { stores, ...opened } = await openStores(config.stores, { db, vault, aws, metrics, log });
  undo.defer(() => opened.close());
  const report = (event: PoolEvent): void => logProcesses(event, metrics, log);
  const venues = createVenues(config.venues, {
    ...options?.venueProcesses,
    report,
    refusals: storedRefusals(db),
  });
  undo.defer(() => venues.close());
  const dataKeys = new DataKeys(db, keys.provider);
  const prove = await proveWith({ db, work, dataKeys }, log);
  const custody: Custody = {
    db,
    reports,
    disclosures: openDisclosures(database, prove, metrics),
    dataKeys,
    stores,
    venues,
    venueKeys: (venue) => venues.keys(venue),
    turns: openTurns(database),
    ambiguousMs: config.ambiguousMs,
    ...listeners(metrics, log),
  };
  const guard = createGuard(config.webhooks);
  undo.defer(() => guard.close());
  const webhooks: Webhooks = { db, dataKeys: custody.dataKeys, guard };
  const background = { custody: { ...custody, db: work }, webhooks: { ...webhooks, db: work } };
  const running = undo.move();
  const newKeyFile = keys.created ? keyFile : null;
  const close = (): Promise<void> => running.disposeAsync();
  return { custody, webhooks, background, database, metrics, prove, newKeyFile, close };
}

/**
 * Pools beside the one for requests, so that neither a search nor the clock takes a connection from a trader.
 */
function openFurther(
  database: StartedDatabase,
  { database: { reportConnections, workConnections } }: Config,
  { shares = {} }: StartOptions = {},
): Readonly<{ reports: Db; work: Db }> {
  return {
    reports: database.openDb({
      applicationName: "keyhold reports",
      max: reportConnections,
      answerWithin: reportWithinMs,
      shares,
    }),
    work: database.openDb({
      applicationName: "keyhold work",
      max: workConnections,
      answerWithin: workWithinMs,
    }),
  };
}

/** Counts and logs the work of the domain. */
function listeners(metrics: Metrics, log: Log): Pick<Custody, "inspected" | "checked" | "refusalHeld"> {
  return {
    inspected(venue, verdict, seconds) {
      metrics.validations.inc({ venue, outcome: verdict.outcome });
      metrics.validationSeconds.observe({ venue }, seconds);
    },
    checked(tenant, venue, outcome) {
      metrics.healthChecks.inc({ tenant, venue, outcome });
      if (outcome !== "valid") metrics.healthCheckFailures.inc({ tenant, venue });
    },
    refusalHeld(venue, reason) {
      metrics.refusalsHeld.inc({ venue, reason });
      log.error(refusalHeld[reason], { venue });
    },
  };
}

function openTurns(database: StartedDatabase): Turns {
  const pool = database.openPool({
    applicationName: "keyhold turns",
    max: turnStatements,
    patience: turnWithinMs,
    answerWithin: turnWithinMs,
  });
  return createTurns(pool);
}

function logDatabase({ embeddedIn: path, changes }: StartedDatabase, log: Log): void {
  for (const change of changes) log.warn(change, { path });
  if (path !== null) log.info("database", { path });
}

function logProcesses(event: PoolEvent, metrics: Metrics, log: Log): void {
  if (event.kind === "suspects") return metrics.venueSuspects.set(event.count);
  const { reason, tenants } = event;
  metrics.venueProcessesReplaced.inc({ reason });
  if (reason === "worn") return log.info("a venue process was replaced", { reason });
  log.warn("a venue process was replaced", { reason, count: tenants.length });
  for (const tenant_id of tenants) {
    log.warn("a call of this tenant was running when a venue process was replaced", { reason, tenant_id });
  }
}

/**
 * From now on rights are signed and verified. Rights from a version without signatures are signed before the
 * service starts.
 */
async function proveWith(
  { db, work, dataKeys }: Readonly<{ db: Db; work: Db; dataKeys: DataKeys }>,
  log: Log,
): Promise<Prove> {
  const grants = new Grants(db, dataKeys);
  for (const changed of [db, work]) signWith(changed, grants);
  const { done, failed } = await signExisting({ db, dataKeys });
  if (done > 0) log.info("the rights of an earlier version are signed", { count: done });
  if (failed > 0) log.error("rights of an earlier version could not be signed", { count: failed });
  return prover(db, grants);
}

function openDisclosures(database: StartedDatabase, prove: Prove, metrics: Metrics): Disclosures {
  const within = { patience: recordWithinMs, answerWithin: recordWithinMs };
  const pool = database.openPool({ applicationName: "keyhold record", max: 2, ...within });
  const waitingPool = database.openPool({
    applicationName: "keyhold record waits",
    max: 1 + slowChainsAtOnce,
    ...within,
  });
  return new Disclosures(pool, prove, {
    withinMs: recordWithinMs,
    waitingPool,
    slowAtOnce: slowChainsAtOnce,
    onGroup: (size) => metrics.disclosureGroupSize.observe(size),
  });
}

async function countCredentials(db: Db): Promise<readonly CredentialCount[]> {
  const { rows } = await sql<CredentialCount>`select * from clock.credential_counts()`.execute(db);
  return rows;
}
