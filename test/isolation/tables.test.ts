import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWorld, type World } from "../../testkit/world.ts";
import { faultsOfCatalogue } from "./catalogue.ts";
import { furnish, type FurnishedTenant } from "./fixture.ts";
import { faultsOfReach, sights } from "./reach.ts";

let world: World;
let one: FurnishedTenant;
let other: FurnishedTenant;

beforeAll(async () => {
  world = await createWorld();
  one = await furnish(world);
  other = await furnish(world);
});
afterAll(() => world.close());

/** In a transaction that is rolled back: `spoil`, then look. */
async function inspect(spoil: string, look: (client: PoolClient) => Promise<string[]>): Promise<string[]> {
  const client = await world.database.ownerPool.connect();
  try {
    await client.query("begin");
    if (spoil !== "") await client.query(spoil);
    return await look(client);
  } finally {
    await client.query("rollback");
    client.release();
  }
}

const everything = async (client: PoolClient): Promise<string[]> => [
  ...(await faultsOfCatalogue(client)),
  ...(await faultsOfReach(client, one, other)),
];

describe("the tables of a tenant", () => {
  test("are all looked at", async () => {
    const { rows } = await world.database.ownerPool.query<{ name: string }>(`
      select c.oid::regclass::text as name from pg_class c
      where c.relkind in ('r', 'p') and has_table_privilege('keyhold_app', c.oid, 'select') and (c.relname = 'tenants' or exists (
        select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')) order by 1`);
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(sights).toSorted());
  });

  test("are seen and written as far as a transaction reaches, and no further", async () => {
    expect(await inspect("", everything)).toEqual([]);
  });
});

const view =
  "create view everything as select * from credentials; grant select on everything to keyhold_app;";

/** How isolation could break, and a word of the sentence that tells. */
const breakages: readonly (readonly [string, string, string])[] = [
  [
    "row-level security switched off",
    "alter table credentials disable row level security",
    "credentials has a tenant",
  ],
  ["not forced", "alter table api_keys no force row level security", "api_keys has a tenant"],
  [
    "a policy that shows all",
    "alter policy account_reads on accounts using (true)",
    "accounts shows another tenant's",
  ],
  [
    "a second policy beside the first",
    "create policy helpful on credentials for select to keyhold_app using (venue = 'scripted')",
    "credentials shows another tenant's",
  ],
  [
    "a policy that shows all without a scope",
    "alter policy member_reads on members using (scope.tenant() is null or scope.reads(tenant_id, id))",
    "members shows",
  ],
  [
    "a policy that forgets whom a new row belongs to",
    "alter policy account_inserts on accounts with check (true)",
    "can insert in accounts",
  ],
  [
    "a policy that forgets what a row becomes",
    "alter policy credential_updates on credentials using (scope.writes(tenant_id, owner_id)) with check (true)",
    "can hand over in credentials",
  ],
  [
    "a policy that lets anybody delete",
    "alter policy api_key_deletes on api_keys using (true)",
    "can delete blindly in api_keys",
  ],
  [
    "a policy that lets anybody update",
    "alter policy credential_updates on credentials using (true) with check (true)",
    "can update blindly in credentials",
  ],
  [
    "a reach that forgets the member",
    `create or replace function scope.reads(tenant uuid, owner uuid) returns boolean language sql stable
       return tenant = scope.tenant()`,
    "rows to own",
  ],
  [
    "a reach that writes where it should read",
    `create or replace function scope.writes(tenant uuid, owner uuid) returns boolean language sql stable
       return scope.reads(tenant, owner)`,
    "tenant-read can",
  ],
  [
    "sealed bytes within a member's reach",
    "alter policy service_only on sealed_secrets using (tenant_id = scope.tenant())",
    "sealed_secrets shows",
  ],
  [
    "webhooks within a member's reach",
    "alter policy tenant_reads on webhook_endpoints using (tenant_id = scope.tenant())",
    "webhook_endpoints shows 1 rows to own",
  ],
  [
    "messages that anybody may queue",
    "grant execute on function webhooks.announce(uuid, bigint, text[], uuid[]) to keyhold_app",
    "messages can be queued",
  ],
  ["a record that can be written", "grant insert, update on audit.links to keyhold_app", "on audit.links"],
  [
    "a record that all can read",
    "alter policy readers on audit.links using (true)",
    "audit.links shows another tenant's",
  ],
  [
    "an index of events that all can read",
    "alter policy readers on audit.indexed_events using (true)",
    "audit.indexed_events shows another tenant's",
  ],
  [
    "an index of events that anybody may remove",
    `alter function audit.forget_index(uuid, integer) security definer set search_path = pg_catalog, pg_temp;
       grant execute on function audit.forget_index(uuid, integer) to keyhold_app`,
    "the index of events can be removed",
  ],
  [
    "a column with rights of its own",
    "grant update (events) on audit.links to keyhold_app",
    "rights of its own",
  ],
  ["a right that policies do not cover", "grant truncate on accounts to keyhold_app", "TRUNCATE"],
  ["a right for everybody", "grant select on accounts to public", "PUBLIC"],
  ["a view with its owner's rights", view, "everything is a view"],
  [
    "a table without row-level security",
    "create table notes (tenant_id uuid, body text)",
    "notes has a tenant",
  ],
  ["a table without a tenant", "create table notes (body text)", "notes belongs to no tenant"],
  [
    "a key that is unique across tenants",
    "create unique index on accounts (name, id)",
    "accounts (name, id) is unique",
  ],
  [
    "a reference that crosses tenants",
    "alter table intents add foreign key (credential_id) references credentials (id)",
    "without the tenant",
  ],
  [
    "a function on its caller's search path",
    "alter function access.exists_in_tenant(text, uuid) reset search_path",
    "search path",
  ],
  [
    "a function for everybody",
    "grant execute on function access.exists_in_tenant(text, uuid) to public",
    "for everybody",
  ],
  [
    "a function with the owner's rights",
    "alter function access.exists_in_tenant(text, uuid) owner to keyhold_owner",
    "somebody else than the recorder",
  ],
  [
    "a narrow function that looks across tenants",
    `create or replace function access.exists_in_tenant(kind text, id uuid) returns boolean language sql stable
       security definer set search_path = pg_catalog, pg_temp
       return exists (select from public.credentials c where c.id = exists_in_tenant.id)`,
    "another tenant's credential is found",
  ],
  [
    "a record that is written for another tenant",
    `create or replace function audit.record(tenant uuid, events text[], outcomes text[], details text[], credentials uuid[])
       returns bigint language sql security definer set search_path = pg_catalog, pg_temp return 1`,
    "the record of another tenant",
  ],
  ["a policy for every role", "alter policy account_reads on accounts to public", "policy for everybody"],
  ["a policy that is gone", "drop policy credential_reads on credentials", "credentials shows 0 rows"],
  [
    "a table of the role that serves",
    "alter table accounts owner to keyhold_app",
    "owned by the role that serves",
  ],
];

describe("the same checks find", () => {
  test.each(breakages)("%s", async (_, spoil, word) => {
    const found = await inspect(spoil, async (client) => {
      const told = await faultsOfCatalogue(client);
      return told.some((fault) => fault.includes(word)) ? told : faultsOfReach(client, one, other);
    });
    expect(found).toContainEqual(expect.stringContaining(word));
  });
});
