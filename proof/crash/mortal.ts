import { type DatabaseConnection, Kysely, PostgresDialect, type QueryResult } from "kysely";
import type { Pool } from "pg";
import type { Custody } from "../../src/credentials/custody.ts";
import type { Db } from "../../src/db/connect.ts";
import type { Database } from "../../src/db/schema.ts";
import type { Store } from "../../src/stores/store.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import type { Effects } from "./effects.ts";

/** A database whose commits are effects, but for those of transactions that wrote nothing. The clock sees this tenant alone. */
export function mortalDb(pool: Pool, effects: Effects, tenantId: string): Db {
  const watched = new WeakSet<DatabaseConnection>();
  const dialect = new PostgresDialect({
    pool,
    onReserveConnection(connection) {
      if (!watched.has(connection)) watch(connection, effects, tenantId);
      watched.add(connection);
      return Promise.resolve();
    },
  });
  return new Kysely<Database>({ dialect });
}

function watch(connection: DatabaseConnection, effects: Effects, tenantId: string): void {
  const execute: DatabaseConnection["executeQuery"] = connection.executeQuery.bind(connection);
  let written: string[] = [];
  connection.executeQuery = async <R>(...given: Parameters<typeof execute>): Promise<QueryResult<R>> => {
    const [{ sql }] = given;
    if (sql === "begin") written = [];
    written.push(...tableIn(sql));
    const run = (): Promise<QueryResult<R>> => execute<R>(...given);
    if (sql !== "commit" || written.length === 0) return ofTenant(tenantId, sql, await run());
    return effects.around({ name: `commit of ${[...new Set(written)].join(", ")}`, kind: "write" }, run);
  };
}

function tableIn(sql: string): readonly string[] {
  if (sql.includes("audit.record(")) return ["the record"];
  const table = /^\s*(?:insert into|update|delete from) "?(\w+)/.exec(sql)?.[1];
  return table === undefined ? [] : [table];
}

/** The clock asks for what is due of all tenants: each of several in one process gets its own. */
function ofTenant<R>(tenantId: string, sql: string, result: QueryResult<R>): QueryResult<R> {
  if (!sql.includes(" from clock.")) return result;
  return { ...result, rows: result.rows.filter((row) => tenantOf(row) === tenantId) };
}

function tenantOf(row: unknown): unknown {
  return typeof row === "object" && row !== null && "tenant_id" in row ? row.tenant_id : undefined;
}

export function mortalStore(store: Store, effects: Effects): Store {
  return {
    name: store.name,
    capabilities: store.capabilities,
    health: () => store.health(),
    put: (ref, fields) =>
      effects.around({ name: `write of version ${ref.version} to the store`, kind: "write" }, () =>
        store.put(ref, fields),
      ),
    get: (ref) =>
      effects.around({ name: `reading of version ${ref.version} in the store`, kind: "read" }, () =>
        store.get(ref),
      ),
    destroy: (ref) =>
      effects.around({ name: `destruction of version ${ref.version} in the store`, kind: "write" }, () =>
        store.destroy(ref),
      ),
  };
}

/** The commit before a disclosure goes by a way of its own. */
export function mortalRecord(
  disclosures: Custody["disclosures"],
  effects: Effects,
): Pick<Custody, "disclosures"> {
  const append: Custody["disclosures"]["append"] = (request) =>
    effects.around({ name: "commit of the record before a disclosure", kind: "write" }, () =>
      disclosures.append(request),
    );
  return { disclosures: { append } };
}

export function mortalVenue(effects: Effects): ScriptedVenue {
  const venue = new ScriptedVenue();
  venue.verdict = () =>
    effects.around({ name: "question to the venue", kind: "read" }, () => Promise.resolve(valid()));
  return venue;
}
