import { sql, type Transaction } from "kysely";
import type { Db } from "./connect.ts";
import type { Database } from "./schema.ts";

type Table = Readonly<{
  name: string;
  owner: string;
  enabled: boolean;
  forced: boolean;
  columns: readonly string[];
  constraints: readonly string[];
  indexes: readonly string[];
  triggers: readonly string[];
  policies: readonly string[];
  grants: readonly string[];
}>;

/**
 * Describes the schema as SQL for reviewers, from the catalogue: the sum of the migrations, with each policy,
 * owner and grant. The dump is read and compared, never run. The tables of the migrations themselves are left
 * out.
 */
export function dumpSchema(db: Db): Promise<string> {
  return db.transaction().execute(async (tx) => {
    // With this path the functions of the catalogue print each name with its schema.
    await sql`select set_config('search_path', 'pg_catalog', true)`.execute(tx);
    const parts = [
      ...(await readLines(tx, schemas)),
      ...(await tables.execute(tx)).rows.map(renderTable),
      ...(await readLines(tx, views)),
      ...(await readLines(tx, sequences)),
      ...(await readLines(tx, typesOfOurs)),
      ...(await readLines(tx, functions)),
    ];
    return `${parts.join("\n\n")}\n`;
  });
}

async function readLines(tx: Transaction<Database>, query: typeof schemas): Promise<string[]> {
  return (await query.execute(tx)).rows.map(({ text }) => text.trimEnd());
}

function renderTable(table: Table): string {
  const body = [...table.columns, ...table.constraints].map((line) => `  ${line}`).join(",\n");
  const security = [
    ...(table.enabled ? [`alter table ${table.name} enable row level security`] : []),
    ...(table.forced ? [`alter table ${table.name} force row level security`] : []),
  ];
  return [
    `create table ${table.name} (\n${body}\n)`,
    `alter table ${table.name} owner to ${table.owner}`,
    ...table.indexes,
    ...table.triggers,
    ...security,
    ...table.policies,
    ...table.grants,
  ]
    .map((statement) => `${statement};`)
    .join("\n");
}

const ours = sql`n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'migrations')`;

const schemas = sql<Readonly<{ text: string }>>`
  select format('create schema %I authorization %I;', n.nspname, pg_get_userbyid(n.nspowner)) || coalesce((
    select string_agg(format(E'\ngrant %s on schema %I to %s;', lower(privileges), n.nspname, grantee), '' order by grantee)
    from (
      select coalesce(r.rolname, 'public') as grantee, string_agg(a.privilege_type, ', ' order by a.privilege_type) as privileges
      from aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a left join pg_roles r on r.oid = a.grantee
      where a.grantee <> n.nspowner group by 1
    ) g), '') as text
  from pg_namespace n where ${ours} order by n.nspname`;

const tables = sql<Table>`
  select
    c.oid::regclass::text as name, pg_get_userbyid(c.relowner)::text as owner,
    c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
    array(
      select concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
        case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation end,
        case when a.attidentity <> '' then 'generated as identity' end,
        case when d.adbin is not null then
          case a.attgenerated when '' then 'default ' else 'generated always as ' end || pg_get_expr(d.adbin, d.adrelid) end,
        case when a.attnotnull then 'not null' end)
      from pg_attribute a join pg_type t on t.oid = a.atttypid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
    array(
      -- Not-null constraints stand with their columns.
      select format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) from pg_constraint k
      where k.conrelid = c.oid and k.contype not in ('n', 't') order by k.contype = 'p' desc, k.conname) as constraints,
    array(
      select pg_get_indexdef(i.indexrelid) from pg_index i
      where i.indrelid = c.oid and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.conrelid = c.oid)
      order by i.indexrelid::regclass::text) as indexes,
    array(
      select pg_get_triggerdef(t.oid) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal order by t.tgname
    ) as triggers,
    array(
      select concat(format('create policy %I on %s', p.polname, c.oid::regclass),
        case when not p.polpermissive then ' as restrictive' end,
        ' for ', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
        ' to ', (select string_agg(coalesce(r.rolname, 'public'), ', ' order by r.rolname)
          from unnest(p.polroles) one left join pg_roles r on r.oid = one),
        E'\n  using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        E'\n  with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
      from pg_policy p where p.polrelid = c.oid order by p.polname) as policies,
    array(
      select format('grant %s on %s to %s', string_agg(lower(g.privilege) || g.of_columns, ', ' order by g.privilege, g.of_columns), c.oid::regclass, g.grantee)
      from (
        select coalesce(r.rolname, 'public') as grantee, a.privilege_type as privilege, '' as of_columns
        from aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee where a.grantee <> c.relowner
        union all
        select coalesce(r.rolname, 'public'), a.privilege_type, format(' (%I)', col.attname)
        from pg_attribute col cross join aclexplode(col.attacl) a left join pg_roles r on r.oid = a.grantee
        where col.attrelid = c.oid
      ) g group by g.grantee order by g.grantee) as grants
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where ${ours} and c.relkind in ('r', 'p') order by 1`;

const views = sql<Readonly<{ text: string }>>`
  select format(E'create %sview %s%s as\n%s\nalter view %s owner to %I;', case c.relkind when 'm' then 'materialized ' end, c.oid::regclass,
    ' with (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid), c.oid::regclass, pg_get_userbyid(c.relowner))
    || coalesce((select string_agg(format(E'\ngrant %s on %s to %s;', lower(a.privilege_type), c.oid::regclass,
      coalesce(r.rolname, 'public')), '' order by r.rolname, a.privilege_type)
    from aclexplode(c.relacl) a left join pg_roles r on r.oid = a.grantee where a.grantee <> c.relowner), '') as text
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where ${ours} and c.relkind in ('v', 'm') order by c.oid::regclass::text`;

const sequences = sql<Readonly<{ text: string }>>`
  select format('create sequence %s as %s;', c.oid::regclass, format_type(s.seqtypid, null)) as text
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
  where ${ours} order by c.oid::regclass::text`;

const typesOfOurs = sql<Readonly<{ text: string }>>`
  select case t.typtype
    when 'e' then format('create type %s as enum (%s);', t.oid::regtype,
      (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid))
    when 'd' then concat(format('create domain %s as %s', t.oid::regtype, format_type(t.typbasetype, t.typtypmod)),
      (select string_agg(' ' || pg_get_constraintdef(k.oid), '' order by k.conname) from pg_constraint k where k.contypid = t.oid), ';')
    else format('create type %s;', t.oid::regtype) end as text
  from pg_type t join pg_namespace n on n.oid = t.typnamespace
  where ${ours} and t.typrelid = 0 and t.typelem = 0 and t.typtype in ('e', 'd', 'r') order by t.oid::regtype::text`;

const functions = sql<Readonly<{ text: string }>>`
  select rtrim(pg_get_functiondef(p.oid), E'\n') || format(E';\nalter function %s owner to %I;', p.oid::regprocedure, pg_get_userbyid(p.proowner))
    || coalesce((select string_agg(format(E'\ngrant execute on function %s to %s;', p.oid::regprocedure,
      coalesce(r.rolname, 'public')), '' order by r.rolname)
    from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a left join pg_roles r on r.oid = a.grantee
    where a.grantee <> p.proowner), '') as text
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where ${ours} and p.prokind in ('f', 'p') order by p.oid::regprocedure::text`;
