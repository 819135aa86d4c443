import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { system } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { type Due, each, type Tally, together } from "../db/sweep.ts";
import type { Custody } from "./custody.ts";
import { consult, type Consulted } from "./validate.ts";

/** Asks the venue about a credential for its health. Throws what `openSecret` throws. */
export async function checkHealth(custody: Custody, { tenant_id, id }: Due): Promise<Consulted> {
  const target = { id, need: "validate", revision: null, purpose: "health" } as const;
  return consult(custody, system(tenant_id, "check-health"), target, (value) => ({ value }));
}

/** Credentials whose check is due and that no worker has claimed, venue by venue, the longest due first. */
export async function dueChecks(db: Db, limit: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`
    select d.* from clock.due_venues() v cross join lateral clock.due_checks(v.venue, ${limit}) d limit ${limit}`.execute(
    db,
  );
  return rows;
}

/** Credentials that were not checked since a moment, whether due or not. */
export async function uncheckedSince(db: Db, moment: Date, limit: number): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`select * from clock.unchecked_since(${moment}, ${limit})`.execute(db);
  return rows;
}

/**
 * Checks at one venue by one process: at once, and begun in a second. Far below what any venue allows an
 * address.
 */
export const usualPace: Readonly<{ atOnce: number; perSecond: number }> = { atOnce: 4, perSecond: 5 };

/** A round ends before the next begins; what is left stays due. */
export const usualRoundMs = 50_000;
const claimedAtOnce = 20;
/**
 * Longer than a round and the longest check together: a worker that has recorded no check by then has died,
 * and another makes it.
 */
const leaseSeconds = 180;

/** Shares the due checks with every other process, each venue at its pace, and no venue waiting for another. */
export async function checkDue(custody: Custody, pace = usualPace, roundMs = usualRoundMs): Promise<Tally> {
  const over = performance.now() + roundMs;
  const { rows } = await sql<{ venue: string }>`select * from clock.due_venues()`.execute(custody.db);
  return together(rows.map(({ venue }) => checkVenue(custody, venue, pace, over)));
}

function checkVenue(custody: Custody, venue: string, pace: typeof usualPace, over: number): Promise<Tally> {
  const check = async (due: Due): Promise<void> => {
    try {
      await checkHealth(custody, due);
    } catch (error) {
      // It is tried again in the next round and not in this one. If not even that can be written, the lease
      // ends by itself.
      await shortenLease(custody.db, due, over).catch(() => undefined);
      throw error;
    }
  };
  return each(claimDue(custody.db, venue, pace, over), check, pace.atOnce);
}

/**
 * Claims the due checks of a venue, a few at a time, and yields them at the venue's pace for as long as the
 * round lasts.
 */
async function* claimDue(
  db: Db,
  venue: string,
  { perSecond }: typeof usualPace,
  over: number,
): AsyncGenerator<Due> {
  const turn = turns(perSecond);
  const isOver = (): boolean => performance.now() >= over;
  while (!isOver()) {
    const claimed = await claimChecks(db, venue);
    if (claimed.length === 0) return;
    for (const due of claimed) {
      if (!isOver()) await turn();
      if (isOver()) await shortenLease(db, due, over);
      else yield due;
    }
  }
}

async function claimChecks(db: Db, venue: string): Promise<readonly Due[]> {
  const { rows } = await sql<Due>`
    select * from clock.claim_checks(${venue}, ${claimedAtOnce}, make_interval(secs => ${leaseSeconds}))`.execute(
    db,
  );
  return rows;
}

/** The credential can be claimed again from the end of the round. */
async function shortenLease(db: Db, { tenant_id, id }: Due, over: number): Promise<void> {
  const seconds = Math.max(0, over - performance.now()) / 1000;
  await sql`select clock.shorten_lease(${tenant_id}, ${id}, make_interval(secs => ${seconds}))`.execute(db);
}

/** The function resolves for one caller after the other, so many in a second. */
function turns(perSecond: number): () => Promise<void> {
  let next = 0;
  return async () => {
    const now = performance.now();
    const at = Math.max(now, next);
    next = at + 1000 / perSecond;
    await sleep(at - now);
  };
}

const forgottenAtOnce = 5000;

/**
 * Removes rows that are older than a quarter of a year: the history of checks, and settled calls with the
 * Idempotency-Keys by which a repeat of them was recognised. The record keeps that they were made.
 */
export async function forgetHistory({ db }: Pick<Custody, "db">): Promise<Tally> {
  const { rows } = await sql<{ n: number }>`select clock.forget_history(${forgottenAtOnce}) as n`.execute(db);
  return { done: rows[0]?.n ?? 0, failed: 0 };
}
