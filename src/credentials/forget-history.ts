import { sql } from "kysely";
import type { Tally } from "../db/tally.ts";
import type { Custody } from "./custody.ts";

const forgottenAtOnce = 5000;

/**
 * Removes what is older than a quarter of a year: what venues answered about keys, and calls that were settled, with the
 * Idempotency-Keys by which a repeat of them was recognised. The record keeps that they were made.
 */
export async function forgetHistory({ db }: Pick<Custody, "db">): Promise<Tally> {
  const { rows } = await sql<{ n: number }>`select clock.forget_history(${forgottenAtOnce}) as n`.execute(db);
  return { done: rows[0]?.n ?? 0, failed: 0 };
}
