import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Tally } from "../db/tally.ts";

/** A message that the claimer has to send until its lease ends. */
export type Due = Readonly<{ tenant_id: string; id: string }>;

/** So many messages are on their way to one endpoint at most, from all processes together. */
const atOnceToOne = 4;

/** Four times what an attempt takes at most: whoever has not noted an outcome by then has died, and somebody else sends it. */
const leaseSeconds = 60;

/**
 * Takes at most `most` of the messages of all tenants that are due. What is taken here is given to no other process, until the lease
 * is over.
 */
export async function claimDue(db: Db, most: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`
    select * from webhooks.claim(${most}, ${atOnceToOne}, make_interval(secs => ${leaseSeconds}))`.execute(
    db,
  );
  return rows;
}

/** Seconds for which the oldest message waits that could be sent now. */
export async function outboxAge(db: Db): Promise<number> {
  const { rows } = await sql<{ age: number }>`select webhooks.outbox_age(${atOnceToOne}) as age`.execute(db);
  return rows[0]?.age ?? 0;
}

const forgottenAtOnce = 5000;

/** Removes deliveries that have been kept long enough, and what is left of endpoints that were deleted. */
export async function forgetOld({ db }: Readonly<{ db: Db }>): Promise<Tally> {
  const { rows } = await sql<{ n: number }>`select webhooks.forget(${forgottenAtOnce}) as n`.execute(db);
  return { done: rows[0]?.n ?? 0, failed: 0 };
}
