import { sql } from "kysely";
import type { Db } from "./connect.ts";
import { appRole } from "./roles.ts";

type Column = Readonly<{
  name: string;
  type: string;
  nullable: boolean;
  hasDefault: boolean;
  inserted: boolean;
  updated: boolean;
  /** The check constraints of this column alone. */
  checks: readonly string[];
}>;
type Table = Readonly<{ schema: string; name: string; columns: readonly Column[] }>;

/** What no catalogue knows: by `table.column`, or by `column` for all tables, the whole type of a column. */
const written: Readonly<Record<string, string>> = {
  // What the database and the record write of a row that gives rights, and nothing else does.
  grant_number: "ReadOnly<number>",
  grant_mac: "ReadOnly<Uint8Array | null>",
  "credentials.openable": "ReadOnly<readonly string[]>",
  "credentials.check_leased_until": "ColumnType<Date | null, never, Date | null>",
  "sealed_secrets.sealed": "RecordColumn",
  "api_keys.credentials": "WriteOnce<string[] | null>",
  "api_keys.accounts": "WriteOnce<string[] | null>",
  "api_keys.networks": "WriteOnce<string[] | null>",
  store: "StoreName",
  "health_checks.environment": 'Database["credentials"]["environment"]',
  "intents.environment": 'Database["credentials"]["environment"]',
  "tenants.policy": "JSONColumnType<TenantPolicy, string | undefined>",
  "tenants.limits": "JSONColumnType<StoredLimits, string | undefined>",
  "credentials.permissions": "ColumnType<StoredPermissions | null, string | null, string | null>",
  "credentials.account_facts": "JSONColumnType<StoredAccountFacts>",
  "freezes.actor": "ColumnType<StoredActor | null, string | null | undefined, never>",
};

const head = `// Written by \`npm run schema\` from the migrations; schema-types.ts has what no catalogue knows.
import type { ColumnType, Generated, JSONColumnType } from "kysely";
import type { StoreName } from "../config/stores.ts";
import type { RecordColumn } from "../crypto/column.ts";
import type {
  StoredAccountFacts,
  StoredActor,
  StoredLimits,
  StoredPermissions,
  TenantPolicy,
} from "./stored-json.ts";

/** The database alone writes it, or the service's role may not. */
type ReadOnly<T> = ColumnType<T, never, never>;
type WriteOnce<T> = ColumnType<T, T, never>;

/** The tables that the service's role reaches, as Kysely sees them. */`;

/** As the driver reads them (`connect.ts`). A type that is missing here stops the generator. */
const scalars: Readonly<Record<string, string>> = {
  text: "string",
  "character varying": "string",
  uuid: "string",
  cidr: "string",
  boolean: "boolean",
  smallint: "number",
  integer: "number",
  bigint: "number",
  bytea: "Uint8Array",
  "timestamp with time zone": "Date",
};

/**
 * The tables that the service's role reaches, as types for Kysely: what the migrations add up to. A column
 * that the role may not insert or update does not compile there. Run as the owner.
 */
export async function describeTypes(db: Db): Promise<string> {
  const { rows } = await tables.execute(db);
  return `${head}\nexport interface Database {\n${rows.map(describeTable).join("")}}\n`;
}

function describeTable(table: Table): string {
  const { schema, name, columns } = table;
  const key = schema === "public" ? name : `"${schema}.${name}"`;
  const lines = columns.map((column) => `    ${column.name}: ${typeOf(table, column)};\n`);
  return `  ${key}: {\n${lines.join("")}  };\n`;
}

function typeOf(table: Table, column: Column): string {
  const { name, nullable, hasDefault, inserted, updated } = column;
  const known = written[`${table.name}.${name}`] ?? written[name];
  if (known !== undefined) return known;
  const isJson = column.type === "json" || column.type === "jsonb";
  const orNull = nullable ? " | null" : "";
  const selected = `${isJson ? "object" : valueOf(table, column)}${orNull}`;
  if (!inserted && !updated) return `ReadOnly<${selected}>`;
  if (inserted && !updated && !hasDefault && !isJson) return `WriteOnce<${selected}>`;
  if (inserted && updated && !isJson) return hasDefault ? `Generated<${selected}>` : selected;
  const given = isJson ? `string${orNull}` : selected;
  const optional = hasDefault || nullable ? `${given} | undefined` : given;
  return `ColumnType<${selected}, ${inserted ? optional : "never"}, ${updated ? given : "never"}>`;
}

function valueOf(table: Table, { name, type, checks }: Column): string {
  const [element = type, isArray] = type.split(/(\[\])$/);
  const words = checks.map((check) => wordsOf(name, check)).find((found) => found !== undefined);
  const value =
    words?.map((word) => JSON.stringify(word)).join(" | ") ?? scalars[element.replace(/\(\d+\)$/, "")];
  if (value === undefined) throw new TypeError(`${table.name}.${name} is of the type ${type}: name it above`);
  if (isArray === undefined) return value;
  return value.includes(" ") ? `(${value})[]` : `${value}[]`;
}

/** What a column may hold, where a check lists it: `status = any (…)`, or `allow <@ …` of an array. */
function wordsOf(column: string, check: string): readonly string[] | undefined {
  const [, one, list] = /^CHECK \(\((\w+) = ANY \(ARRAY\[(.+)\]\)\)\)$/.exec(check) ?? [];
  if (one === column) return list?.split(", ").map((item) => item.replace(/^'(.*)'::text$/, "$1"));
  const [, some, set] = /^CHECK \(\((\w+) <@ '\{(.+)\}'::text\[\]\)\)$/.exec(check) ?? [];
  return some === column ? set?.split(",") : undefined;
}

const tables = sql<Table>`
  select n.nspname::text as schema, c.relname::text as name, (
    select jsonb_agg(jsonb_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'nullable', not a.attnotnull,
      'hasDefault', a.atthasdef and a.attgenerated = '',
      'inserted', a.attgenerated = '' and has_column_privilege(${appRole}::name, c.oid, a.attnum, 'INSERT'),
      'updated', a.attgenerated = '' and has_column_privilege(${appRole}::name, c.oid, a.attnum, 'UPDATE'),
      'checks', array(
        select pg_get_constraintdef(k.oid) from pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum] order by k.conname))
      order by a.attnum)
    from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'migrations')
    and has_any_column_privilege(${appRole}::name, c.oid, 'SELECT, INSERT, UPDATE')
  order by n.nspname <> 'public', 1, 2`;
