import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hashApiKey, makeApiKey } from "../../src/access/api-keys.ts";
import { roles } from "../../src/access/permissions.ts";
import {
  type Api,
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

let api: ApiWorld;
/** Another process on the same database, which takes every right for proven: what it opens, verification has refused. */
let lax: Api;

beforeAll(async () => {
  const custody: NonNullable<Parameters<typeof createApiWorld>[0]>["custody"] = (whole) =>
    new ScriptedVenue().in(whole);
  api = await createApiWorld({ custody });
  lax = await api.another({ custody, grants: { verify: false } });
});
afterAll(async () => {
  await lax.close();
  await api.close();
});

type Target = Readonly<{ tenant: ApiTenant; credential: Readonly<{ id: string; account_id: string }> }>;

async function openTarget(policy: object = { allow: ["read"], reveal: true }): Promise<Target> {
  const tenant = await api.createTenant();
  return { tenant, credential: await registerCredential(tenant.owner, { policy }) };
}

/** As the owner of the tables, past every trigger: what a dump that is edited and put back can do. */
async function write(...statements: readonly string[]): Promise<void> {
  await api.world.database.owner.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx);
    for (const statement of statements) await sql.raw(statement).execute(tx);
  });
}

const path = (id: string, verb = "reveal"): string => `/api/v1/credentials/${id}/${verb}`;

async function newApiKey(
  client: Client,
  scopes: readonly string[],
  more: object = {},
): Promise<{ id: string; key: string }> {
  const { status, json, text } = await client.post("/api/v1/api-keys", { name: "key", scopes, ...more });
  if (status !== 201) throw new Error(text);
  return { id: String(Object(json["api_key"]).id ?? json["id"]), key: String(json["key"]) };
}

/** What an attack asks for in the end: by whom, and of which credential. */
type Attempt = Readonly<{ token: string; id: string }>;

/** Each writes to the database alone, and then asks for a secret. */
const attacks: Readonly<Record<string, () => Promise<Attempt & { tenant: ApiTenant }>>> = {
  async "an API key is made up and revealing is allowed"() {
    const { tenant, credential } = await openTarget({ allow: ["read"], reveal: false });
    const { key, hash, prefix } = makeApiKey();
    await write(
      `insert into api_keys (tenant_id, id, member_id, name, prefix, hash, scopes, expires_at) values ('${tenant.id}', '${randomUUID()}',
        '${tenant.ownerId}', 'x', '${prefix}', '\\x${hash.toHex()}', '{credentials:reveal}', now() + interval '1 hour')`,
      `update credentials set reveal = true where id = '${credential.id}'`,
    );
    return { tenant, token: key, id: credential.id };
  },
  async "revealing is allowed"() {
    const { tenant, credential } = await openTarget({ allow: ["read"], reveal: false });
    await write(`update credentials set reveal = true where id = '${credential.id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "a viewer becomes an owner"() {
    const { tenant, credential } = await openTarget();
    const viewer = await tenant.addMember("viewer", { scopes: roles.owner.scopes });
    await write(`update members set role = 'owner' where id = '${viewer.memberId}'`);
    return { tenant, token: viewer.token, id: credential.id };
  },
  async "a suspended member is let in again"() {
    const { tenant, credential } = await openTarget();
    const admin = await tenant.addMember("owner");
    await tenant.owner.patch(`/api/v1/members/${admin.memberId}`, { status: "suspended" });
    await write(`update members set status = 'active' where id = '${admin.memberId}'`);
    return { tenant, token: admin.token, id: credential.id };
  },
  async "a stranger takes the place of a member"() {
    const { tenant, credential } = await openTarget();
    const subject = `stranger-${randomUUID()}`;
    await write(`update members set subject = '${subject}' where id = '${tenant.ownerId}'`);
    const token = await api.issuer.mintToken({
      tenantId: tenant.id,
      subject,
      scopes: roles.owner.scopes,
      ttlSeconds: 3600,
    });
    return { tenant, token, id: credential.id };
  },
  async "the scopes of an API key grow"() {
    const { tenant, credential } = await openTarget();
    const { id, key } = await newApiKey(tenant.owner, ["credentials:read"]);
    await write(`update api_keys set scopes = '{credentials:read,credentials:reveal}' where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "an agent's API key becomes a person's"() {
    const { tenant, credential } = await openTarget();
    const { id, key } = await newApiKey(tenant.owner, ["credentials:use"], { agent: true });
    await write(`update api_keys set agent = false, scopes = '{credentials:reveal}' where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "a revoked API key is revived"() {
    const { tenant, credential } = await openTarget();
    const { id, key } = await newApiKey(tenant.owner, ["credentials:reveal"]);
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${id}`);
    await write(`update api_keys set revoked_at = null where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "an API key lives longer"() {
    const { tenant, credential } = await openTarget();
    const { id, key } = await newApiKey(tenant.owner, ["credentials:reveal"]);
    await write(`update api_keys set expires_at = now() + interval '300 days' where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "an API key is given to another member"() {
    const { tenant, credential } = await openTarget();
    const trader = await tenant.addMember("trader");
    const { id, key } = await newApiKey(trader, ["credentials:reveal"]);
    await write(`update api_keys set member_id = '${tenant.ownerId}' where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "a made-up key takes the place of a hash"() {
    const { tenant, credential } = await openTarget();
    const { id } = await newApiKey(tenant.owner, ["credentials:reveal"]);
    const { key } = makeApiKey();
    await write(`update api_keys set hash = '\\x${hashApiKey(key).toHex()}' where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "an expired credential lives longer"() {
    const expires_at = new Date(Date.now() + 1000).toISOString();
    const tenant = await api.createTenant();
    const credential = await registerCredential(tenant.owner, { policy: { reveal: true }, expires_at });
    await write(
      `update credentials set owner_expires_at = now() + interval '1 year' where id = '${credential.id}'`,
    );
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "a credential is unfrozen"() {
    const { tenant, credential } = await openTarget();
    await tenant.owner.post(path(credential.id, "freeze"), { reason: "an incident" });
    await write(`update credentials set frozen_at = null where id = '${credential.id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "a freeze is taken away with its row"() {
    const { tenant, credential } = await openTarget();
    await tenant.owner.post(path(credential.id, "freeze"), { reason: "an incident" });
    await write(
      `delete from freezes where credential_id = '${credential.id}'`,
      `update credentials set frozen_at = null where id = '${credential.id}'`,
    );
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "the key that made an API key is revived"() {
    const { tenant, credential } = await openTarget();
    const maker = await newApiKey(tenant.owner, ["credentials:reveal", "api-keys:write"]);
    const { key } = await newApiKey(api.as(maker.key), ["credentials:reveal"]);
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${maker.id}`);
    await write(`update api_keys set revoked_at = null where id = '${maker.id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "an API key is made without its maker"() {
    const { tenant, credential } = await openTarget();
    const maker = await newApiKey(tenant.owner, ["credentials:reveal", "api-keys:write"]);
    const { id, key } = await newApiKey(api.as(maker.key), ["credentials:reveal"]);
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${maker.id}`);
    await write(`update api_keys set makers = '{}' where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "a narrowed API key reaches everything"() {
    const { tenant, credential } = await openTarget();
    const other = await registerCredential(tenant.owner);
    const { id, key } = await newApiKey(tenant.owner, ["credentials:reveal"], { credentials: [other.id] });
    await write(`update api_keys set credentials = null where id = '${id}'`);
    return { tenant, token: key, id: credential.id };
  },
  async "an account is unfrozen"() {
    const { tenant, credential } = await openTarget();
    await tenant.owner.post(`/api/v1/accounts/${credential.account_id}/freeze`, { reason: "an incident" });
    await write(`update accounts set frozen_at = null where id = '${credential.account_id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "a tenant is unfrozen"() {
    const { tenant, credential } = await openTarget();
    await tenant.owner.post("/api/v1/tenant/freeze", { reason: "an incident" });
    await write(`update tenants set frozen_at = null where id = '${tenant.id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "a suspended tenant goes on"() {
    const { tenant, credential } = await openTarget();
    await api.operator.post(`/api/v1/tenants/${tenant.id}/suspend`);
    await write(`update tenants set status = 'active' where id = '${tenant.id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "an account is switched on"() {
    const { tenant, credential } = await openTarget();
    await tenant.owner.patch(`/api/v1/accounts/${credential.account_id}`, { active: false });
    await write(`update accounts set active = true where id = '${credential.account_id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "a credential is given to another member"() {
    const { tenant, credential } = await openTarget();
    const trader = await tenant.addMember("trader");
    await write(
      `update credentials set owner_id = '${trader.memberId}' where id = '${credential.id}'`,
      `update accounts set owner_id = '${trader.memberId}' where id = '${credential.account_id}'`,
    );
    return { tenant, token: trader.token, id: credential.id };
  },
  async "the MAC of another credential is copied"() {
    const { tenant, credential } = await openTarget({ allow: ["read"], reveal: false });
    const other = await registerCredential(tenant.owner, { policy: { allow: ["read"], reveal: true } });
    await write(`update credentials c set reveal = true, grant_mac = o.grant_mac, grant_number = o.grant_number
      from credentials o where c.id = '${credential.id}' and o.id = '${other.id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "two credentials swap what is allowed, and their MACs"() {
    const { tenant, credential } = await openTarget({ allow: ["read"], reveal: false });
    const other = await registerCredential(tenant.owner, { policy: { allow: ["read"], reveal: true } });
    await write(`update credentials c set reveal = o.reveal, grant_mac = o.grant_mac, grant_number = o.grant_number
      from credentials o where c.id <> o.id and c.id in ('${credential.id}', '${other.id}') and o.id in ('${credential.id}', '${other.id}')`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "the MAC of another tenant's owner is copied to a viewer"() {
    const { tenant, credential } = await openTarget();
    const other = await api.createTenant();
    const viewer = await tenant.addMember("viewer", { scopes: roles.owner.scopes });
    await write(`update members m set role = 'owner', grant_mac = o.grant_mac from members o
      where m.id = '${viewer.memberId}' and o.id = '${other.ownerId}'`);
    return { tenant, token: viewer.token, id: credential.id };
  },
  async "an old row of a credential is put back with its MAC"() {
    const { tenant, credential } = await openTarget();
    await write(`create table if not exists kept_rows as select * from credentials where false`);
    await write(
      `insert into kept_rows overriding system value select * from credentials where id = '${credential.id}'`,
    );
    const headers = { "if-match": '"1"' };
    await tenant.owner.send("PATCH", `/api/v1/credentials/${credential.id}`, {
      headers,
      body: { policy: { reveal: false } },
    });
    await write(`update credentials c set reveal = k.reveal, allow = k.allow, revision = k.revision, grant_number = k.grant_number,
      grant_mac = k.grant_mac from kept_rows k where k.id = c.id`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "an old row of an API key is put back with its MAC"() {
    const { tenant, credential } = await openTarget();
    const { id, key } = await newApiKey(tenant.owner, ["credentials:reveal"]);
    await write(`create table kept_keys as select * from api_keys where id = '${id}'`);
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${id}`);
    await write(`delete from api_keys where id = '${id}'`, `insert into api_keys select * from kept_keys`);
    return { tenant, token: key, id: credential.id };
  },
  async "a right has no MAC"() {
    const { tenant, credential } = await openTarget();
    await write(`update credentials set grant_mac = null where id = '${credential.id}'`);
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
  async "an old version is put back"() {
    const { tenant, credential } = await openTarget();
    await write(
      `create table kept_secrets as select * from sealed_secrets where credential_id = '${credential.id}'`,
    );
    const secret = { api_key: "another key", api_secret: "another secret" };
    const headers = { "if-match": '"1"' };
    await tenant.owner.send("PUT", `/api/v1/credentials/${credential.id}/secret`, {
      headers,
      body: { secret },
    });
    await write(
      `insert into sealed_secrets select * from kept_secrets on conflict do nothing`,
      `update credentials set version = 1 where id = '${credential.id}'`,
    );
    return { tenant, token: tenant.owner.token, id: credential.id };
  },
};

async function unprovenEvents(tenantId: string): Promise<number> {
  const { rows } = await api.world.database.ownerPool.query(
    `select from audit.links where tenant_id = $1 and events like '%"event":"rights.unproven"%'`,
    [tenantId],
  );
  return rows.length;
}

describe("who writes to the database and has no key opens no secret", () => {
  test.for(Object.entries(attacks))("when %s", async ([, attack]) => {
    const { tenant, token, id } = await attack();
    const fresh = await api.another();
    for (const process of [api, fresh]) {
      const before = await unprovenEvents(tenant.id);
      const refused = await process.as(token).post(path(id), { reason: "to see" });
      expect(refused.json).toMatchObject({ status: 503, code: "rights_unproven" });
      expect(refused.text).not.toContain("a secret");
      expect(await unprovenEvents(tenant.id)).toBeGreaterThan(before);
    }
    await fresh.close();
    const opened = await lax.as(token).post(path(id), { reason: "to see" });
    expect(opened.json).toMatchObject({ secret: { api_secret: "a secret" } });
  });
});
