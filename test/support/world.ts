import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Role, roles } from "../../src/access/permissions.ts";
import { type Member, nowhere, type Operator } from "../../src/access/principal.ts";
import { Disclosures } from "../../src/audit/disclosures.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { openPool } from "../../src/db/connect.ts";
import { createTurns } from "../../src/db/turns.ts";
import { DataKeys } from "../../src/keys/data-keys.ts";
import { loadKeyFile } from "../../src/keys/file.ts";
import { createKeyFile } from "../../src/keys/key-file.ts";
import { createStores } from "../../src/stores/index.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { createAccount } from "../../src/tenants/accounts/create.ts";
import { createTenant } from "../../src/tenants/create.ts";
import { addMember } from "../../src/tenants/members/add.ts";
import { createVenues, type VenuesConfig } from "../../src/venues/index.ts";
import { type FieldName, fieldNames, type SecretFields } from "../../src/venues/venue.ts";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { createDatabase, type TestDatabase } from "./database.ts";

export type Tenant = Readonly<{
  id: string;
  owner: Member;
  /** By which the owner's tokens name it. */
  subject: string;
  addMember(role: Role): Promise<Member>;
}>;

/** A database, simulated venues and the domain on top of them, without a door. */
export type World = Readonly<{
  database: TestDatabase;
  simulator: Simulator;
  custody: Custody;
  operator: Operator;
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
  const custody: Custody = {
    db,
    disclosures: new Disclosures(recordPool),
    dataKeys: new DataKeys(db, await loadKeyFile(keyFile)),
    stores: createStores(createPostgresStore(db)),
    venues,
    venueKeys: (venue) => venues.keys(venue),
    turns: createTurns(turnsPool),
    inspected: () => undefined,
    checked: () => undefined,
    refusalHeld: () => undefined,
  };
  const operator: Operator = { kind: "operator", issuer: "test", subject: "operator", origin: nowhere };
  return {
    database,
    simulator,
    custody,
    operator,
    keyFile,
    createTenant: (issuer = "test") => newTenant(custody, operator, issuer),
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

async function newTenant({ db }: Custody, operator: Operator, issuer: string): Promise<Tenant> {
  const subject = `owner-${randomBytes(4).toString("hex")}`;
  const { tenant, owner_id } = await createTenant(db, operator, {
    name: subject,
    owner: { issuer, subject },
  });
  const owner = memberOf(tenant.id, owner_id, "owner");
  return {
    id: tenant.id,
    owner,
    subject,
    async addMember(role) {
      const someone = `${role}-${randomBytes(4).toString("hex")}`;
      const { id } = await addMember(db, owner, { issuer, subject: someone, role });
      return memberOf(tenant.id, id, role);
    },
  };
}

function memberOf(tenantId: string, memberId: string, role: Role): Member {
  const { reach, scopes } = roles[role];
  return {
    kind: "member",
    tenantId,
    memberId,
    role,
    reach,
    scopes: new Set(scopes),
    agent: false,
    apiKeyId: null,
    limits: {},
    origin: nowhere,
  };
}

/** The fields of an answer of the simulator, as a caller would send them. */
export function secretFields(fields: Readonly<Record<string, string>>): SecretFields {
  const known = (name: string): FieldName => {
    const field = fieldNames.find((one) => one === name);
    if (field === undefined) throw new Error(`no such field: ${name}`);
    return field;
  };
  return new Map(Object.entries(fields).map(([name, value]) => [known(name), Secret.fromText(value)]));
}
