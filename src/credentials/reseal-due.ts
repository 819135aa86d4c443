import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Tally } from "../db/tally.ts";
import type { Custody } from "./custody.ts";
import { reseal } from "./reseal.ts";
import { byTenant, doRound } from "./round.ts";
import type { StoreName } from "../config/stores.ts";

type Due = Readonly<{ tenant_id: string; id: string }>;

/** Each costs a write to the store, a destruction, and four commits. */
const mostAtOnce = 200;
const round = { atOnce: 4, bounds: [byTenant(1)], roundMs: 45_000 };

/** Goes on with a rotation of data keys that was cut off, or that the clock began. */
export async function resealDue(custody: Custody): Promise<Tally> {
  const due = await underRetiredKeys(custody.db, mostAtOnce);
  return doRound(due, ({ tenant_id, id }) => reseal(custody, tenant_id, id), round);
}

/** Credentials whose present version is sealed with a data key that has a successor. */
export async function underRetiredKeys(db: Db, most: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`select * from clock.credentials_under_retired_keys(${most})`.execute(db);
  return rows;
}

/** A credential, and where the version that is in force lies. */
export type Placed = Due & Readonly<{ venue: string; environment: string; version: number }>;

/** Credentials whose present version rests in this store. */
export async function inStore(db: Db, store: StoreName, most: number): Promise<readonly Placed[]> {
  const { rows } = await sql<Placed>`select * from clock.credentials_in_store(${store}, ${most})`.execute(db);
  return rows;
}
