import { setTimeout as sleep } from "node:timers/promises";
import type { Custody } from "../../src/credentials/custody.ts";
import { openDb, openPool } from "../../src/db/connect.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { openFileStore } from "../../src/stores/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { bareCustody } from "../../testkit/bare-custody.ts";
import { memberOf } from "../../testkit/tenants.ts";
import { type Effect, Effects, type Gate } from "./effects.ts";
import { flaws } from "./flaws.ts";
import { mortalDb, mortalRecord, mortalStore, mortalVenue } from "./mortal.ts";
import { taskShape, works, type Writer } from "./scenarios.ts";

/**
 * A process of Keyhold that works for several writers at once, and is killed when each of them has come to its point. Where they have
 * none it lives, and tells what they did.
 */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
const connections = task.writers.length + 2;
const pool = openPool({ ...task.connection, ssl: false }, { applicationName: "crash", max: connections });
const storePool = openPool({ ...task.connection, ssl: false }, { applicationName: "crash store", max: 2 });
const recordPool = openPool({ ...task.connection, ssl: false }, { applicationName: "crash record", max: 2 });
const keys = await loadKeyFile(task.keyFile);
const kept =
  task.store === "file" ? await openFileStore(task.folder) : createPostgresStore(openDb(storePool));

/** Nobody knows how long an effect takes: some are over by then, some have not begun. */
const amidMs = 12;

const { promise: opened, resolve: open } = Promise.withResolvers<undefined>();
let arrived = 0;
const gate: Gate = {
  opened,
  arrive() {
    arrived += 1;
    if (arrived === task.writers.length) void killAll();
  },
};

async function killAll(): Promise<void> {
  open(undefined);
  await sleep(Math.random() * amidMs);
  process.kill(process.pid, "SIGKILL");
}

async function workFor(writer: Writer): Promise<readonly Effect[]> {
  const effects = new Effects(writer.point, gate);
  const db = mortalDb(pool, effects, writer.tenantId);
  const mortal = mortalStore(kept, effects);
  const { store, finish } = task.flaw === null ? { store: mortal, finish: null } : flaws[task.flaw](mortal);
  const bare = bareCustody({ db, recordPool, dataKeys: new DataKeys(db, keys), stores: createStores(store) });
  const custody: Custody = mortalVenue(effects).in({ ...bare, ...mortalRecord(bare.disclosures, effects) });
  const member = memberOf(writer.tenantId, writer.memberId, "owner");
  await works[task.scenario]({ custody, member, writer });
  await finish?.();
  if (writer.point === null) return effects.seen;
  throw new Error(`A writer came to its end and not to ${JSON.stringify(writer.point)}.`);
}

// Those who stand still keep no process alive.
const alive = setInterval(() => undefined, 60_000);
const seen = await Promise.all(task.writers.map(workFor));
clearInterval(alive);
process.stdout.write(JSON.stringify(seen));
await Promise.all([pool, storePool, recordPool].map((one) => one.end()));
