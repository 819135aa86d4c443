import { sql } from "kysely";
import type { Db } from "../../db/connect.ts";
import type { DataKeySource } from "../../key-encryption/key-provider.ts";
import { destroyDataKey } from "./destroy.ts";
import { type DataKeyRef, rotateDataKey } from "./rotate.ts";
import { rotateAfterDays, rotateAfterOperations } from "../../crypto/keys.ts";
import { each, type Tally } from "../../db/sweep.ts";

type Row = Readonly<{ tenant_id: string; id: string }>;
type Needs = Readonly<{ db: Db; dataKeys: DataKeySource }>;

const mostAtOnce = 100;
const dayMs = 86_400_000;

/** Gives successors to data keys that are old or have sealed much. */
export async function rotateWornDataKeys(custody: Needs): Promise<Tally> {
  const since = new Date(Date.now() - rotateAfterDays * dayMs);
  return each(await sealingKeys(custody.db, since, mostAtOnce), (key) => rotateDataKey(custody, key));
}

/** Destroys retired data keys that nothing is sealed with any more. */
export async function destroyUnusedDataKeys(custody: Needs): Promise<Tally> {
  const { rows } = await sql<Row>`select * from clock.unused_data_keys(${mostAtOnce})`.execute(custody.db);
  return each(rows.map(toRef), (key) => destroyDataKey(custody, key));
}

/** Data keys that seal, and were made before a moment or have sealed as much as one should. */
export async function sealingKeys(db: Db, madeBefore: Date, most: number): Promise<readonly DataKeyRef[]> {
  const { rows } =
    await sql<Row>`select * from clock.sealing_keys(${madeBefore}, ${rotateAfterOperations}, ${most})`.execute(
      db,
    );
  return rows.map(toRef);
}

/** The clock that data keys are dated by: by another one, a key just made could seem old. */
export async function databaseTime(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  return rows[0]?.now ?? new Date();
}

/** Data keys that another key-encryption key wraps than this one. */
export async function wrappedOtherwise(db: Db, kekId: string, most: number): Promise<readonly DataKeyRef[]> {
  const { rows } = await sql<Row>`select * from clock.data_keys_wrapped_otherwise(${kekId}, ${most})`.execute(
    db,
  );
  return rows.map(toRef);
}

export type KeyCount = Readonly<{ kek_id: string; state: "active" | "retired"; count: number }>;

/** How many data keys each key-encryption key wraps. */
export async function countDataKeys(db: Db): Promise<readonly KeyCount[]> {
  const { rows } = await sql<KeyCount>`select * from clock.data_key_counts()`.execute(db);
  return rows;
}

function toRef({ tenant_id: tenantId, id }: Row): DataKeyRef {
  return { tenantId, id };
}
