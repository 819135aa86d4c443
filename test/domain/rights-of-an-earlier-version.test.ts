import { randomUUID } from "node:crypto";
import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeApiKey } from "../../src/access/api-keys.ts";
import { Memberships, type Prove } from "../../src/access/membership.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { seal } from "../../src/crypto/envelope.ts";
import { packRecord } from "../../src/crypto/packed-fields.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { migrate, migrationFolder } from "../../src/db/migrate.ts";
import { withPlatform, withTenant } from "../../src/db/tenant.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createKeyFile } from "../../src/key-encryption/key-file.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { signExisting } from "../../src/tenants/sign-rights.ts";
import { bareCustody } from "../../testkit/bare-custody.ts";
import { createDatabase, type TestDatabase } from "../../testkit/database.ts";
import { signed } from "../../testkit/rights.ts";
import { memberOf } from "../../testkit/tenants.ts";

let folder: string;
let database: TestDatabase;
let dataKeys: DataKeys;
let prove: Prove;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-earlier-"));
  await createKeyFile(join(folder, "kek"));
  database = await createDatabase({ empty: true });
  for (const name of await readdir(migrationFolder)) {
    if (name < "0014") await copyFile(join(migrationFolder, name), join(folder, name));
  }
  await migrate(database.owner, { folder });
  dataKeys = new DataKeys(database.app, await loadKeyFile(join(folder, "kek")));
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

async function upgrade(): Promise<void> {
  await migrate(database.owner);
  prove = signed({ db: database.app, dataKeys });
}

const tenant = randomUUID();
const ownerId = randomUUID();
const credentialId = randomUUID();
const apiKey = makeApiKey();
const scope = { tenantId: tenant, memberId: null, reach: "tenant-write" } as const;

/** A tenant as the version before wrote it, with `others` credentials beside the one that holds a secret. */
async function fill(others = 0): Promise<void> {
  const { app } = database;
  await withPlatform(app, async (tx) => {
    await sql`insert into tenants (id, name) values (${tenant}, 'Earlier')`.execute(tx);
    await sql`insert into members (tenant_id, id, issuer, subject, role) values (${tenant}, ${ownerId}, 'i', 's', 'owner')`.execute(
      tx,
    );
    await sql`select audit.record(${tenant}, '{tenant.created}', '{ok}', '{"{}"}', '{null}')`.execute(tx);
  });
  const account = randomUUID();
  const key = await dataKeys.toSeal(tenant, 1);
  const field = { tenantId: tenant, credentialId, version: 1, field: "api_key" };
  const sealed = packRecord(new Map([["api_key", seal(key, field, Secret.fromText("the key"))]]));
  await withTenant(app, scope, async (tx) => {
    await sql`insert into accounts (tenant_id, id, owner_id, name) values (${tenant}, ${account}, ${ownerId}, 'Main')`.execute(
      tx,
    );
    await sql`insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes)
      values (${tenant}, ${randomUUID()}, ${ownerId}, 'key', ${apiKey.prefix}, ${apiKey.hash}, '{credentials:use}')`.execute(
      tx,
    );
    await sql`insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, status, store, label)
      select ${tenant}, case n when 0 then ${credentialId}::uuid else gen_random_uuid() end, ${account}, ${ownerId}, 'x', 'live', 'active',
        'postgres', n::text from generate_series(0, ${others}) n`.execute(tx);
    await sql`insert into credential_versions (tenant_id, credential_id, version, store, data_key_id, state)
      values (${tenant}, ${credentialId}, 1, 'postgres', ${key.id}, 'current')`.execute(tx);
    await sql`insert into sealed_secrets (tenant_id, credential_id, version, sealed) values (${tenant}, ${credentialId}, 1, ${sealed})`.execute(
      tx,
    );
  });
}

async function use(): Promise<string> {
  const { app: db, appPool: recordPool } = database;
  const custody = bareCustody({ db, dataKeys, recordPool, stores: createStores(createPostgresStore(db)) });
  return withSecret(custody, memberOf(tenant, ownerId, "owner"), { id: credentialId }, async (fields) => {
    const [field] = fields.values();
    return field?.expose((bytes) => Buffer.from(bytes).toString()) ?? "";
  });
}

const unsigned = async (): Promise<number> => {
  const { rows } = await sql<{ n: number }>`
    select (select count(*) from credentials where grant_mac is null) + (select count(*) from members where grant_mac is null)
      + (select count(*) from api_keys where grant_mac is null) + (select count(*) from accounts where grant_mac is null)
      + (select count(*) from tenants where grant_mac is null) as n`.execute(database.owner);
  return rows[0]?.n ?? -1;
};

const unproven = { code: "rights_unproven" };

describe("the rights of an earlier version", () => {
  test("are signed once at the start after the upgrade, and give what they gave", async () => {
    await fill();
    await upgrade();
    await expect(use()).rejects.toMatchObject(unproven);
    expect(await signExisting({ db: database.app, dataKeys })).toEqual({ done: 1, failed: 0 });
    expect(await unsigned()).toBe(0);
    expect(await use()).toBe("the key");
    expect(await new Memberships(database.app, prove).apiKey(apiKey.hash)).toMatchObject({
      scopes: ["credentials:use"],
    });
    expect(await signExisting({ db: database.app, dataKeys })).toEqual({ done: 0, failed: 0 });
  });

  test("are signed in portions, and from where a start was cut off", async () => {
    await fill(1200);
    await upgrade();
    // The third portion does not commit.
    await sql`create function cut() returns trigger language plpgsql as $$ begin
      if new.link >= 4 then raise exception 'cut off'; end if; return new; end $$`.execute(database.owner);
    await sql`create trigger cut before insert on audit.links for each row execute function cut()`.execute(
      database.owner,
    );
    expect(await signExisting({ db: database.app, dataKeys })).toEqual({ done: 0, failed: 1 });
    const left = await unsigned();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(1200);
    await sql`drop trigger cut on audit.links`.execute(database.owner);
    await Promise.all([
      signExisting({ db: database.app, dataKeys }),
      signExisting({ db: database.app, dataKeys }),
    ]);
    expect(await unsigned()).toBe(0);
    expect(await use()).toBe("the key");
  });

  test("are not signed again when somebody takes the MACs off", async () => {
    await fill();
    await upgrade();
    await signExisting({ db: database.app, dataKeys });
    await database.owner.transaction().execute(async (tx) => {
      await sql`set local session_replication_role = replica`.execute(tx);
      for (const table of ["tenants", "accounts", "members", "api_keys", "credentials"]) {
        await sql`update ${sql.table(table)} set grant_mac = null, grant_number = 1`.execute(tx);
      }
    });
    expect(await signExisting({ db: database.app, dataKeys })).toEqual({ done: 0, failed: 0 });
    await expect(use()).rejects.toMatchObject(unproven);
    // One row after the other, in a tenant that is signed.
    await expect(
      withTenant(database.app, scope, async (tx) => {
        await sql`select grants.gather_unsigned(${tenant}, 500)`.execute(tx);
      }),
    ).rejects.toThrow();
  });

  test("may be changed by a process of that version until they are signed, and not after", async () => {
    await fill();
    await upgrade();
    const suspend = () =>
      withTenant(database.app, scope, async (tx) => {
        await sql`update members set status = case status when 'active' then 'suspended' else 'active' end`.execute(
          tx,
        );
        await sql`select audit.record(${tenant}, '{member.updated}', '{ok}', '{"{}"}', '{null}')`.execute(tx);
      });
    await suspend();
    await suspend();
    await signExisting({ db: database.app, dataKeys });
    await expect(suspend()).rejects.toThrow("changed and not signed");
    expect(await use()).toBe("the key");
  });
});
