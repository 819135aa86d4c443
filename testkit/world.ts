import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Simulator, startSimulator } from "../simulator/simulator.ts";
import type { Prove } from "../src/access/membership.ts";
import { type Member, nowhere, type Operator } from "../src/access/principal.ts";
import { Disclosures } from "../src/audit/disclosures.ts";
import type { Custody } from "../src/credentials/custody.ts";
import { openPool } from "../src/db/connect.ts";
import { createTurns } from "../src/db/turns.ts";
import { DataKeys } from "../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../src/key-encryption/file.ts";
import { createKeyFile } from "../src/key-encryption/key-file.ts";
import { createStores } from "../src/stores/open.ts";
import { createPostgresStore } from "../src/stores/postgres.ts";
import { createAccount } from "../src/tenants/account.ts";
import { createVenues, type VenuesConfig } from "../src/venues/index.ts";
import { createDatabase, type TestDatabase } from "./database.ts";
import { signed } from "./rights.ts";
import { openTenant, type Tenant } from "./tenants.ts";

export { secretFields, type Tenant } from "./tenants.ts";

/** A database, simulated venues and the domain on top of them, without a door. */
export type World = Readonly<{
  database: TestDatabase;
  simulator: Simulator;
  custody: Custody;
  operator: Operator;
  prove: Prove;
  /** The key-encryption key, for processes of the test's own. */
  keyFile: string;
  /** Its members are those of `issuer`. */
  createTenant(issuer?: string): Promise<Tenant>;
  createAccount(owner: Member): Promise<string>;
  close(): Promise<void>;
}>;

/** `venues` takes the place of the simulated ones: for tests against a venue's own servers. */
export async function createWorld(options: { venues?: VenuesConfig } = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-world-"));
  const keyFile = join(folder, "kek");
  await createKeyFile(keyFile);
  const database = await createDatabase();
  const simulator = await startSimulator();
  const venues = createVenues(options.venues ?? { hosts: simulatedHosts(simulator), timeoutMs: 3000 });
  const turnsPool = openPool(database.connection("keyhold_app"), { applicationName: "turns" });
  const recordPool = openPool(database.connection("keyhold_app"), {
    applicationName: "record",
    max: 2,
    patience: 2000,
    answerWithin: 2000,
  });
  const { app: db } = database;
  const dataKeys = new DataKeys(db, await loadKeyFile(keyFile));
  const prove = signed({ db, dataKeys });
  const custody: Custody = {
    db,
    reports: db,
    disclosures: new Disclosures(recordPool, prove),
    dataKeys,
    stores: createStores(createPostgresStore(db)),
    venues,
    venueKeys: (venue) => venues.keys(venue),
    turns: createTurns(turnsPool),
    inspected: () => undefined,
    checked: () => undefined,
    refusalHeld: () => undefined,
    ambiguousMs: 24 * 3_600_000,
  };
  const operator: Operator = { kind: "operator", issuer: "test", subject: "operator", origin: nowhere };
  return {
    database,
    simulator,
    custody,
    operator,
    prove,
    keyFile,
    createTenant: (issuer = "test") => openTenant(db, operator, issuer),
    createAccount: async (owner) => (await createAccount(db, owner, { name: "Main" })).id,
    async close() {
      await Promise.all([venues.close(), simulator.close(), turnsPool.end(), recordPool.end()]);
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}

/** Where the venues of the simulator are, as the operator's setting names them. */
export function simulatedHosts(simulator: Simulator): Record<string, Record<string, string>> {
  const hosts: Record<string, Record<string, string>> = {};
  for (const { venue, environment, url } of simulator.hosts)
    hosts[venue] = { ...hosts[venue], [environment]: url };
  return hosts;
}
