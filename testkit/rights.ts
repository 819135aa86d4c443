import { type RawBuilder, sql, type Transaction } from "kysely";
import type { Prove } from "../src/access/membership.ts";
import { system } from "../src/access/principal.ts";
import { change, prover } from "../src/audit/change.ts";
import { Grants, type GrantsOptions, signWith } from "../src/audit/grants.ts";
import type { Custody } from "../src/credentials/custody.ts";
import type { Db } from "../src/db/connect.ts";
import type { Database } from "../src/db/schema.ts";
import type { TestDatabase } from "./database.ts";

/** Has what is changed over `db` signed, as the service does when it starts. */
export function signed({ db, dataKeys }: Pick<Custody, "db" | "dataKeys">, options?: GrantsOptions): Prove {
  const grants = new Grants(db, dataKeys, options);
  signWith(db, grants);
  return prover(db, grants);
}

type Row = Readonly<{
  kind: "accounts" | "members" | "credentials" | "api_keys";
  tenantId: string;
  id: string;
}>;

type Forger = Readonly<{
  database: Pick<TestDatabase, "owner">;
  custody: Pick<Custody, "dataKeys">;
}>;

/** Writes past every trigger what no verb writes, such as a date that has passed, and signs it as the service would. */
export async function forge(
  forger: Forger,
  row: Row,
  statement: RawBuilder<unknown>,
  before: (tx: Transaction<Database>) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await forger.database.owner.transaction().execute(async (tx) => {
    await forgeIn(tx, forger, row, statement);
    await before(tx);
  });
}

/** The same in a transaction of the owner of the tables. */
export async function forgeIn(
  tx: Transaction<Database>,
  { custody }: Pick<Forger, "custody">,
  row: Row,
  statement: RawBuilder<unknown>,
): Promise<void> {
  await sql`set local session_replication_role = replica`.execute(tx);
  await statement.execute(tx);
  await sign(tx, custody, row);
}

/** The MAC that the service would make for a row as it is now. */
async function sign(
  db: Db,
  { dataKeys }: Pick<Custody, "dataKeys">,
  { kind, tenantId, id }: Row,
): Promise<void> {
  const { rows } = await sql<{ grant_text: string }>`select * from grants.find(${kind}, ${id})`.execute(db);
  const text = new TextEncoder().encode(rows[0]?.grant_text);
  const mac = Buffer.from(await dataKeys.mac(tenantId, "grant", text));
  await sql`update ${sql.table(kind)} set grant_mac = ${mac} where id = ${id}`.execute(db);
}

/** Writes what no verb writes, such as a date that has passed, and signs what it gives. */
export async function rewrite(db: Db, tenantId: string, statement: RawBuilder<unknown>): Promise<void> {
  await change(db, system(tenantId, "test"), async (tx) => {
    await statement.execute(tx);
    return { value: {}, events: [{ event: "tenant.updated", detail: { changed: [] } }] };
  });
}
