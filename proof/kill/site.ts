import { join } from "node:path";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { openLocalIssuer } from "../../src/access/local-issuer.ts";
import { operatorScope, scopes } from "../../src/access/permissions.ts";
import { type Db, openDb, openPool } from "../../src/db/connect.ts";
import { embeddedDatabase, joinEmbedded } from "../../src/db/embedded.ts";
import { superuserRole } from "../../src/db/embedded/passwords.ts";
import { findPlace } from "../../src/db/embedded/place.ts";
import { makeState } from "../../testkit/state.ts";
import type { Stage } from "../proof.ts";
import { Supervisor } from "./supervisor.ts";

export type Program = readonly [path: string, ...argv: string[]];

/** A service with its embedded database in a folder of its own, and the venue that it talks to. */
export type Site = Readonly<{
  supervisor: Supervisor;
  simulator: Simulator;
  /** Of the store of files. */
  secrets: string;
  /** A token for an hour; the operator's where no tenant is named. */
  mint(subject: string, tenantId?: string): Promise<string>;
  /** Works as the database's superuser, whom no policy binds, while the service runs. */
  asOwner<T>(work: (owner: Db) => Promise<T>): Promise<T>;
}>;

/** Limits far above what a proof sends. */
const unlimited = "100000000";

/** The service is not started yet. With `program`, that one is started in its place. */
export async function openSite(undo: Stage["undo"], program?: Program): Promise<Site> {
  const { folder } = undo.use(await makeState());
  const simulator = await startSimulator();
  undo.defer(() => simulator.close());
  const environment = {
    KEYHOLD_FOLDER: folder,
    KEYHOLD_LOCAL_ISSUER: "on",
    KEYHOLD_VENUE_HOSTS: JSON.stringify({ binance: { live: simulator.url("binance", "live") } }),
    // The simulated venue shares the machine with all the rest.
    KEYHOLD_VENUE_TIMEOUT_MS: "30000",
    KEYHOLD_REQUESTS_PER_MINUTE: unlimited,
    KEYHOLD_REVEALS_PER_MINUTE: unlimited,
  };
  const { data } = await findPlace(folder);
  const supervisor = new Supervisor({ environment, data, program });
  undo.defer(() => supervisor.stop());
  return {
    supervisor,
    simulator,
    secrets: join(folder, "secrets"),
    async mint(subject, tenantId) {
      const { mintToken } = await openLocalIssuer(folder);
      const who = { subject, ttlSeconds: 3600 };
      return mintToken(
        tenantId === undefined ? { ...who, scopes: [operatorScope] } : { ...who, scopes, tenantId },
      );
    },
    asOwner: (work) => asOwner(folder, work),
  };
}

async function asOwner<T>(folder: string, work: (owner: Db) => Promise<T>): Promise<T> {
  const server = await joinEmbedded(folder);
  if (server === null) throw new Error("the service runs, and so does its database");
  const connection = server.connection(superuserRole, embeddedDatabase);
  await using owner = openDb(openPool(connection, { applicationName: "proof owner", max: 4 }));
  return await work(owner);
}
