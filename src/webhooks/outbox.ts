import { sql } from "kysely";
import type { Db } from "../db/connect.ts";
import type { Tally, Due } from "../db/sweep.ts";

/** How many messages may be on their way to one webhook, from all processes together. */
const maxInFlight = 4;

/**
 * Four times the longest attempt: a process that has recorded no outcome by then has died, and another one
 * sends the message.
 */
const leaseSeconds = 60;

/**
 * Claims at most `most` due messages of all tenants. Until its lease is over, no other process gets a claimed
 * message. The claimer must send each before its lease ends.
 */
export async function claimDue(db: Db, most: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`
    select * from webhooks.claim(${most}, ${maxInFlight}, make_interval(secs => ${leaseSeconds}))`.execute(
    db,
  );
  return rows;
}

/** The age, in seconds, of the oldest message that could be sent now. */
export async function outboxAge(db: Db): Promise<number> {
  const { rows } = await sql<{ age: number }>`select webhooks.outbox_age(${maxInFlight}) as age`.execute(db);
  return rows[0]?.age ?? 0;
}

const forgetBatch = 5000;

/** Deletes deliveries that have been kept long enough, and what is left of deleted webhooks. */
export async function forgetOld({ db }: Readonly<{ db: Db }>): Promise<Tally> {
  const { rows } = await sql<{ n: number }>`select webhooks.forget(${forgetBatch}) as n`.execute(db);
  return { done: rows[0]?.n ?? 0, failed: 0 };
}
