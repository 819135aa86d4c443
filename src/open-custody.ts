import { mkdir } from "node:fs/promises";
import { sql } from "kysely";
import type { Pool } from "pg";
import { Disclosures } from "./audit/disclosures.ts";
import type { Config } from "./config.ts";
import type { Custody } from "./credentials/custody.ts";
import type { Db } from "./db/connect.ts";
import { type StartedDatabase, startDatabase, type StartOptions } from "./db/start.ts";
import { createTurns } from "./db/turns.ts";
import { DataKeys } from "./keys/data-keys.ts";
import { openKeys } from "./keys/open.ts";
import { openStores } from "./stores/open.ts";
import { openVault } from "./stores/vault/open.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics, type CredentialCount, type Metrics } from "./telemetry/metrics.ts";
import { createVenues } from "./venues/index.ts";
import { outboxAge } from "./webhooks/due.ts";
import type { Webhooks } from "./webhooks/endpoint.ts";
import { createGuard } from "./webhooks/guard.ts";

/** The domain with its adapters, and no door: what the service and an operator's commands stand on. */
export type OpenCustody = Readonly<{
  custody: Custody;
  webhooks: Webhooks;
  database: StartedDatabase;
  metrics: Metrics;
  /** Connections that are held for the length of a venue's call, or of a round of the clock. */
  turnsPool: Pool;
  /** Set when this start made the key file, which must be backed up. */
  newKeyFile: string | null;
  close(): Promise<void>;
}>;

/** The record must be on disk within this time, or nothing is disclosed. */
const recordWithinMs = 2000;
/** Turns are held for the length of a venue's call. */
const turnsAtOnce = 20;

/** Connects the parts, from the ground up; whatever fails ends what was started before it. Throws `StartError`. */
export async function openCustody(config: Config, log: Log, options?: StartOptions): Promise<OpenCustody> {
  await using undo = new AsyncDisposableStack();
  await mkdir(config.folder, { recursive: true, mode: 0o700 });
  const database = await startDatabase(config, options);
  undo.defer(() => database.stop());
  const { db, embeddedIn } = database;
  const metrics = createMetrics({
    countCredentials: () => countCredentials(db),
    outboxAge: () => outboxAge(db),
  });
  const vault = config.vault === null ? null : await openVault(config.vault, { metrics, log });
  undo.defer(() => vault?.close());
  const { keyFile, aws } = config;
  const keys = await openKeys(config.keys, { db, keyFile, embeddedIn, vault, aws });
  undo.defer(() => keys.close());
  const { stores, close } = await openStores(config.stores, { db, vault, aws, metrics, log });
  undo.defer(close);
  const venues = createVenues(config.venues);
  undo.defer(() => venues.close());
  const turnsPool = database.openPool({ applicationName: "keyhold turns", max: turnsAtOnce });
  const custody: Custody = {
    db,
    disclosures: openDisclosures(database, metrics),
    dataKeys: new DataKeys(db, keys.provider),
    stores,
    venues,
    venueKeys: (venue) => venues.keys(venue),
    turns: createTurns(turnsPool),
    inspected(venue, verdict, seconds) {
      metrics.validations.inc({ venue, outcome: verdict.outcome });
      metrics.validationSeconds.observe({ venue }, seconds);
    },
    checked(tenant, venue, outcome) {
      metrics.healthChecks.inc({ tenant, venue, outcome });
      if (outcome !== "valid") metrics.healthCheckFailures.inc({ tenant, venue });
    },
    refusalHeld(venue) {
      metrics.refusalsHeld.inc({ venue });
      log.error("a venue refuses far too many credentials, so none of them is ended: look at the venue", {
        venue,
      });
    },
  };
  const guard = createGuard(config.webhooks);
  undo.defer(() => guard.close());
  const webhooks: Webhooks = { db, dataKeys: custody.dataKeys, guard };
  const running = undo.move();
  const newKeyFile = keys.created ? keyFile : null;
  return { custody, webhooks, database, metrics, turnsPool, newKeyFile, close: () => running.disposeAsync() };
}

function openDisclosures(database: StartedDatabase, metrics: Metrics): Disclosures {
  const pool = database.openPool({
    applicationName: "keyhold record",
    max: 2,
    patience: recordWithinMs,
    answerWithin: recordWithinMs,
  });
  return new Disclosures(pool, { onGroup: (size) => metrics.disclosureGroupSize.observe(size) });
}

async function countCredentials(db: Db): Promise<readonly CredentialCount[]> {
  const { rows } = await sql<CredentialCount>`select * from clock.credential_counts()`.execute(db);
  return rows;
}
