import { randomBytes, randomUUID } from "node:crypto";
import { sql } from "kysely";
import { localIssuerName } from "../src/access/local-issuer.ts";
import { type Member, nowhere, type Operator } from "../src/access/principal.ts";
import { change } from "../src/audit/change.ts";
import { insertCredential, type NewCredential } from "../src/credentials/rows.ts";
import { insertVersion } from "../src/credentials/versions.ts";
import { seal } from "../src/crypto/envelope.ts";
import type { DataKey } from "../src/crypto/keys.ts";
import { packRecord } from "../src/crypto/packed-fields.ts";
import { Secret } from "../src/crypto/secret.ts";
import type { TenantTx } from "../src/db/tenant.ts";
import { createAccount } from "../src/tenants/account.ts";
import { createTenant } from "../src/tenants/tenant.ts";
import type { Environment } from "../src/venues/venue.ts";
import type { Installation } from "../testkit/embedded-installation.ts";
import { memberOf } from "../testkit/tenants.ts";

/** A tenant with an owner, one account and credentials that may be revealed. */
export type SeededTenant = Readonly<{ owner: Member; subject: string; credentialIds: readonly string[] }>;

const operator: Operator = { kind: "operator", issuer: localIssuerName, subject: "bench", origin: nowhere };

/** An API key and its secret, of Binance when nothing else is said. */
export type KeyPair = Readonly<{
  venue?: string;
  environment?: Environment;
  apiKey: string;
  apiSecret: string;
  passphrase?: string;
}>;

export type Filling = Readonly<{
  tenants: number;
  credentialsEach: number;
  /** Where the next key comes from; generated ones of 64 characters when left out. */
  nextKey?: () => KeyPair;
  /** Until their first check. */
  checkInMinutes?: number;
}>;

/**
 * Fills an installation through the domain, but for the venue, which is not asked. The database then knows what it holds, as it does
 * a minute later by itself.
 */
export async function seed(
  installation: Pick<Installation, "db" | "ownerDb" | "dataKeys">,
  { tenants, credentialsEach, nextKey = generateKeyPair, checkInMinutes = 360 }: Filling,
): Promise<readonly SeededTenant[]> {
  const seeded: SeededTenant[] = [];
  for (let number = 0; number < tenants; number += 1) {
    const keyPairs = Array.from({ length: credentialsEach }, nextKey);
    seeded.push(await seedTenant(installation, keyPairs, checkInMinutes));
  }
  await sql`vacuum analyze`.execute(installation.ownerDb);
  return seeded;
}

function generateKeyPair(): KeyPair {
  return { apiKey: randomBytes(32).toString("hex"), apiSecret: randomBytes(32).toString("hex") };
}

async function seedTenant(
  { db, dataKeys }: Pick<Installation, "db" | "dataKeys">,
  keyPairs: readonly KeyPair[],
  checkInMinutes: number,
): Promise<SeededTenant> {
  const subject = `bench-${randomUUID()}`;
  const { tenant, owner_id } = await createTenant(db, operator, {
    name: subject,
    owner: { issuer: localIssuerName, subject },
  });
  const owner = memberOf(tenant.id, owner_id, "owner");
  const account = await createAccount(db, owner, { name: "Main" });
  const key = await dataKeys.toSeal(tenant.id, keyPairs.length * 3);
  const credentialIds = await change(db, owner, async (tx) => {
    const value: string[] = [];
    for (const pair of keyPairs) {
      const credential = { ...credentialOf(owner, account.id, pair), checkInMinutes };
      value.push(await keep(tx, key, credential, pair));
    }
    return { value, events: [{ event: "tenant.updated", detail: { changed: ["credentials"] } }] };
  });
  return { owner, subject, credentialIds };
}

/** The sealed bytes and the rows that point at them, as `keepVersion` leaves them. */
async function keep(
  tx: TenantTx,
  key: DataKey,
  credential: NewCredential,
  { apiKey, apiSecret, passphrase }: KeyPair,
): Promise<string> {
  const { tenantId, id: credentialId } = credential;
  const row = await insertCredential(tx, credential);
  const fields = {
    api_key: apiKey,
    api_secret: apiSecret,
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  const sealed = new Map(
    Object.entries(fields).map(([field, text]) => {
      using secret = Secret.fromText(text);
      return [field, seal(key, { tenantId, credentialId, version: row.version, field }, secret)];
    }),
  );
  await tx
    .insertInto("sealed_secrets")
    .values({
      tenant_id: tenantId,
      credential_id: credentialId,
      version: row.version,
      sealed: packRecord(sealed),
    })
    .execute();
  await insertVersion(tx, row, key.id);
  return credentialId;
}

function credentialOf(
  owner: Member,
  accountId: string,
  { venue = "binance", environment = "live" }: KeyPair,
): NewCredential {
  const id = randomUUID();
  return {
    tenantId: owner.tenantId,
    id,
    accountId,
    ownerId: owner.memberId,
    venue,
    environment,
    label: id,
    status: "active",
    permissions: null,
    account: {},
    policy: { allow: ["read"], reveal: true },
    store: "postgres",
    ownerExpiresAt: null,
    venueExpiresAt: null,
    checkInMinutes: 360,
  };
}
