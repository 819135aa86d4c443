import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { Member } from "../../src/access/principal.ts";
import { indexRecord } from "../../src/audit/search.ts";
import { checkHealth } from "../../src/credentials/check.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { createApiKey } from "../../src/tenants/api-key.ts";
import { rewrite } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { secretFields, type World } from "../../testkit/world.ts";

/** A member with everything a member can own. */
export type Furnished = Readonly<{
  member: Member;
  accountId: string;
  credentialId: string;
  apiKeyId: string;
}>;

export type FurnishedTenant = Readonly<{ id: string; owner: Furnished; trader: Furnished }>;

/** A tenant with rows in every table: its own, and those of two members, an owner and a trader. */
export async function furnish(world: World): Promise<FurnishedTenant> {
  const tenant = await world.createTenant();
  const owner = await furnishMember(world, tenant.owner);
  const trader = await furnishMember(world, await tenant.addMember("trader"));
  const { owner: db } = world.database;
  // What lies there for moments only.
  await sql`insert into intents (tenant_id, id, kind, credential_id, version, store, venue, environment)
    values (${tenant.id}, ${randomUUID()}, 'replace', ${owner.credentialId}, 2, 'postgres', 'scripted', 'live')`.execute(
    db,
  );
  await sql`insert into idempotency_keys (tenant_id, principal, route, key, request_mac)
    values (${tenant.id}, 'member', 'POST /credentials', 'key', '\\x00')`.execute(db);
  await sql`with endpoint as (
      insert into webhook_endpoints (tenant_id, id, url)
      values (${tenant.id}, ${randomUUID()}, 'https://hooks.example/') returning id
    ), delivery as (
      insert into webhook_deliveries (tenant_id, endpoint_id, message_id, event, payload)
      select ${tenant.id}, id, id, 'webhook.test', '{}' from endpoint returning id
    )
    insert into webhook_attempts (tenant_id, delivery_id, number, outcome, milliseconds)
    select ${tenant.id}, id, 1, 'timeout', 15000 from delivery`.execute(db);
  await indexRecord(world.custody);
  await sql`insert into webhook_links (tenant_id, link, endpoints, places) values (${tenant.id}, 1, '{}', '{}')`.execute(
    db,
  );
  return { id: tenant.id, owner, trader };
}

async function furnishMember(world: World, member: Member): Promise<Furnished> {
  const custody = new ScriptedVenue().in(world.custody);
  const accountId = await world.createAccount(member);
  const credential = await register(custody, member, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields: secretFields({ api_key: "key", api_secret: "secret" }),
    policy: { allow: ["read", "trade"], reveal: true },
  });
  const params = { symbol: "X", type: "market", side: "buy", amount: "1" };
  await invoke(custody, member, credential.id, { operation: "createOrder", params, idempotencyKey: "key" });
  const fresh = secretFields({ api_key: "another", api_secret: "other" });
  const rotated = await rotate(custody, member, credential.id, credential.revision, { fields: fresh });
  await sql`insert into rotation_schedules (tenant_id, credential_id, every_days, next_at)
    values (${member.tenantId}, ${credential.id}, 30, now())`.execute(world.database.owner);
  await sql`insert into venue_rotations (tenant_id, id, credential_id, parent_id, stage, rotation_id)
    values (${member.tenantId}, ${randomUUID()}, ${credential.id}, ${randomUUID()}, 'overlap', ${rotated.rotation.id})`.execute(
    world.database.owner,
  );
  const freeze = sql`insert into freezes (tenant_id, account_id, rank) values (${member.tenantId}, ${accountId}, 'trader')`;
  await rewrite(custody.db, member.tenantId, freeze);
  await checkHealth(custody, { tenant_id: member.tenantId, id: credential.id });
  const apiKey = await createApiKey(custody.db, member, { name: "key", scopes: ["credentials:read"] });
  return { member, accountId, credentialId: credential.id, apiKeyId: apiKey.id };
}
