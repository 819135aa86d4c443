import type { PoolClient } from "pg";

/** Tables that belong to no tenant, each with the reason. */
const shared: Readonly<Record<string, string>> = {
  clock_lanes: "names of lanes, and which process is in them",
  installation: "which key-encryption key the database was sealed with",
  operator_keys: "of the operator",
  rate_limits: "counters under ids",
  venue_refusals: "how venues refuse a key that was made up, the same for all tenants",
  turns: "digests that name keys, for as long as a call with one of them runs",
  webhook_events: "names of events and of their fields",
  "migrations.applied": "of the program",
  "migrations.digests": "of the program",
  "migrations.lock": "of the program",
};

/** Keys that do not begin with the tenant: random ids that Keyhold makes, so that a collision tells nobody anything. */
const randomKeys = [
  "accounts (id)",
  "api_keys (hash)",
  "api_keys (id)",
  "credential_versions (credential_id, version)",
  "credentials (id)",
  "data_keys (id)",
  "health_checks (id)",
  "intents (id)",
  "invocations (id)",
  "members (id)",
  "rotation_schedules (credential_id)",
  "rotations (id)",
  "sealed_secrets (credential_id, version)",
  "tenants (id)",
  "venue_rotations (credential_id)",
];

/** What the service may do besides reading and writing rows under policies: nothing. */
const rights: Readonly<Record<string, string>> = {
  "audit.heads": "SELECT",
  "audit.index_heads": "SELECT",
  "audit.indexed_events": "SELECT",
  "audit.links": "SELECT",
  webhook_links: "SELECT",
  freezes: "DELETE, INSERT, SELECT",
  installation: "INSERT, SELECT",
  operator_keys: "INSERT, SELECT, UPDATE",
  venue_refusals: "INSERT, SELECT, UPDATE",
};
const usualRights = "DELETE, INSERT, SELECT, UPDATE";

const questions: Readonly<Record<string, string>> = {
  "has a tenant but no forced row-level security": `
    select c.oid::regclass::text as name from pg_class c
    where c.relkind in ('r', 'p') and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')
      and not (c.relrowsecurity and c.relforcerowsecurity)`,
  "is a view that reads with its owner's rights": `
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
      and not coalesce(c.reloptions @> '{security_invoker=true}', false)`,
  "runs with its owner's rights on a search path of its caller's": `
    select p.oid::regprocedure::text as name from pg_proc p
    where p.prosecdef and not exists (
      select from unnest(p.proconfig) setting where setting in ('search_path=pg_catalog, pg_temp', 'search_path=""'))`,
  "runs with its owner's rights for everybody": `
    select p.oid::regprocedure::text as name from pg_proc p
    where p.prosecdef and exists (
      select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where a.grantee = 0 and a.privilege_type = 'EXECUTE')`,
  "runs with the rights of somebody else than the recorder": `
    select p.oid::regprocedure::text as name from pg_proc p
    where p.prosecdef and p.proowner <> 'keyhold_recorder'::regrole`,
  "is owned by the role that serves": `
    select c.oid::regclass::text as name from pg_class c where c.relowner = 'keyhold_app'::regrole`,
  "has a policy for everybody": `
    select p.polrelid::regclass || ' ' || p.polname as name from pg_policy p where p.polroles = '{0}'`,
  "refers to a tenant's table without the tenant": `
    select c.conrelid::regclass || ' ' || c.conname as name from pg_constraint c
    where c.contype = 'f' and c.confrelid <> 'tenants'::regclass and not exists (
      select from unnest(c.conkey) k join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k
      where a.attname = 'tenant_id')`,
};

/** What in the catalogue stands against the isolation of tenants, a sentence each. */
export async function faultsOfCatalogue(client: PoolClient): Promise<string[]> {
  const found: string[] = [];
  for (const [fault, question] of Object.entries(questions)) {
    const { rows } = await client.query<{ name: string }>(question);
    found.push(...rows.map(({ name }) => `${name} ${fault}`));
  }
  return [...found, ...(await oddTables(client)), ...(await oddKeys(client)), ...(await oddRights(client))];
}

const ownTables = `
  select c.oid, c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`;

async function oddTables(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select t.name from (${ownTables}) t where t.name <> 'tenants'
      and not exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = 'tenant_id')`);
  return rows.filter(({ name }) => !(name in shared)).map(({ name }) => `${name} belongs to no tenant`);
}

async function oddKeys(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ key: string; leads: string }>(`
    select t.name || ' (' || string_agg(a.attname, ', ' order by k.place) || ')' as key,
      (array_agg(a.attname order by k.place))[1] as leads
    from (${ownTables}) t join pg_index i on i.indrelid = t.oid and i.indisunique
    cross join unnest(i.indkey::smallint[]) with ordinality k (attnum, place)
    join pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum
    group by t.name, i.indexrelid`);
  return rows
    .filter(({ key, leads }) => leads !== "tenant_id" && !randomKeys.includes(key))
    .filter(({ key }) => !(key.replace(/ \(.*/, "") in shared))
    .map(({ key }) => `${key} is unique across tenants`);
}

async function oddRights(client: PoolClient): Promise<string[]> {
  const { rows } = await client.query<{ name: string; grantee: string; rights: string }>(`
    select t.name, case when a.grantee = 0 then 'PUBLIC' else a.grantee::regrole::text end as grantee,
      string_agg(a.privilege_type, ', ' order by a.privilege_type) as rights
    from (${ownTables}) t join pg_class c on c.oid = t.oid
    cross join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
    where a.grantee = 0 or a.grantee = 'keyhold_app'::regrole
    group by 1, 2`);
  const columns = await client.query<{ name: string }>(`
    select a.attrelid::regclass || '.' || a.attname as name from pg_attribute a
    where exists (select from aclexplode(a.attacl) r where r.grantee in (0, 'keyhold_app'::regrole))
      and a.attrelid in (select oid from (${ownTables}) t)`);
  return [
    ...rows
      .filter(
        ({ name, grantee, rights: given }) => grantee === "PUBLIC" || given !== (rights[name] ?? usualRights),
      )
      .map(({ name, grantee, rights: given }) => `${grantee} may ${given} on ${name}`),
    ...columns.rows.map(({ name }) => `${name} has rights of its own`),
  ];
}
