import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Member } from "../../src/access/principal.ts";
import type { StoreName } from "../../src/config/stores.ts";
import type { Credential } from "../../src/credentials/credential.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { sealedWith } from "../../src/crypto/envelope.ts";
import { openFileStore } from "../../src/stores/file.ts";
import { createStores } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

/** What every credential of a resealing tenant holds. */
export const plain = { api_key: "the-key", api_secret: "the-secret" };

/** A world with a store of files beside this database. */
export type ResealWorld = World &
  Readonly<{ files: Store; postgres: Store; openTenant(): Promise<ResealTenant> }>;

/** A tenant of its own with one account, and looks behind the curtain. */
export type ResealTenant = Readonly<{
  tenant: Tenant;
  owner: Member;
  accountId: string;
  venue: ScriptedVenue;
  /** New secrets go to this database. */
  custody: Custody;
  /** The same, after the operator has put the files first. */
  migrated: Custody;
  registered(changes?: Partial<Registration>, by?: Custody): Promise<Credential>;
  secretOf(id: string): Promise<Record<string, string>>;
  /** The data keys that a kept version is sealed with; `absent` where there is none. */
  keptIn(store: StoreName, id: string, version: number): Promise<string>;
  sealingKey(): Promise<string>;
}>;

export async function createResealWorld(): Promise<ResealWorld> {
  const world = await createWorld();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-reseal-"));
  const files = await openFileStore(join(folder, "secrets"));
  const postgres = world.custody.stores.first;
  return {
    ...world,
    files,
    postgres,
    openTenant: () => openTenant(world, files),
    async close() {
      await world.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function openTenant(world: World, files: Store): Promise<ResealTenant> {
  const tenant = await world.createTenant();
  const { owner } = tenant;
  const accountId = await world.createAccount(owner);
  const venue = new ScriptedVenue();
  const postgres = world.custody.stores.first;
  const custody = venue.in({ ...world.custody, stores: createStores(postgres, files) });
  return {
    tenant,
    owner,
    accountId,
    venue,
    custody,
    migrated: { ...custody, stores: createStores(files, postgres) },
    registered: (changes = {}, by = custody) => {
      const of = { accountId, venue: "scripted", environment: "live" } as const;
      return register(by, owner, { ...of, fields: secretFields(plain), ...changes });
    },
    secretOf: (id) => withSecret(custody, owner, { id }, (fields) => Promise.resolve(readAll(fields))),
    async keptIn(store, id, version) {
      const ref = refOf(tenant.id, id, version);
      const answer = await custody.stores.get(store)?.get(ref);
      if (answer?.outcome !== "found") return answer?.outcome ?? "no such store";
      return [...answer.fields.values()].map((sealed) => sealedWith(sealed)).join();
    },
    sealingKey: () => sealingKeyOf(world, tenant.id),
  };
}

/** Where a version of a credential of these tests lies. */
export function refOf(tenantId: string, credentialId: string, version: number) {
  return { tenantId, credentialId, venue: "scripted", environment: "live", version };
}

function readAll(fields: Registration["fields"]): Record<string, string> {
  return Object.fromEntries(
    [...fields].map(([name, secret]) => [name, secret.expose((bytes) => Buffer.from(bytes).toString())]),
  );
}

async function sealingKeyOf({ database }: World, tenantId: string): Promise<string> {
  const row = await database.owner
    .selectFrom("data_keys")
    .select("id")
    .where("tenant_id", "=", tenantId)
    .where("use", "=", "seal")
    .where("state", "=", "active")
    .executeTakeFirstOrThrow();
  return row.id;
}
