import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { system } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { consult, type Consulted } from "./consult.ts";
import type { Custody } from "./custody.ts";
import { each, type Tally } from "./tally.ts";

/** A credential that the venue is to be asked about. */
export type DueCheck = Readonly<{ tenant_id: string; id: string; venue: string }>;

/** Asks the venue about a credential for its health. Throws what `openSecret` throws, for one that was frozen meanwhile, say. */
export async function checkHealth(
  custody: Custody,
  { tenant_id, id }: Pick<DueCheck, "tenant_id" | "id">,
): Promise<Consulted> {
  const target = { id, need: "validate", revision: null, purpose: "health" } as const;
  return consult(custody, system(tenant_id, "check-health"), target);
}

/** Credentials whose check is due, the longest due first. */
export async function dueChecks(db: Db, most: number): Promise<readonly DueCheck[]> {
  const { rows } = await sql<DueCheck>`select * from clock.due_checks(${most})`.execute(db);
  return rows;
}

/** Credentials that were not checked since a moment, due or not. */
export async function uncheckedSince(db: Db, moment: Date, most: number): Promise<readonly DueCheck[]> {
  const { rows } = await sql<DueCheck>`select * from clock.unchecked_since(${moment}, ${most})`.execute(db);
  return rows;
}

/** How hard a venue is asked: calls at once, and begun in a second. Far below what any venue allows a key, let alone an address. */
export type Pace = Readonly<{ atOnce: number; perSecond: number }>;
const usualPace: Pace = { atOnce: 4, perSecond: 5 };

const mostInRound = 2000;
/** A round ends before the next begins; what it did not come to stays due. */
const roundMs = 50_000;

/** Checks what is due, each venue at its pace and none waiting for another. */
export async function checkDue(custody: Custody, pace = usualPace): Promise<Tally> {
  const over = performance.now() + roundMs;
  const byVenue = Map.groupBy(await dueChecks(custody.db, mostInRound), ({ venue }) => venue);
  const tallies = await Promise.all(
    [...byVenue.values()].map((due) => {
      const turn = turns(pace.perSecond);
      const check = async (one: DueCheck): Promise<void> => {
        await turn();
        if (performance.now() < over) await checkHealth(custody, one);
      };
      return each(due, check, pace.atOnce);
    }),
  );
  return {
    done: tallies.reduce((sum, { done }) => sum + done, 0),
    failed: tallies.reduce((sum, { failed }) => sum + failed, 0),
  };
}

/** Resolves for one after the other, so many in a second. */
function turns(perSecond: number): () => Promise<void> {
  let next = 0;
  return async () => {
    const now = performance.now();
    const at = Math.max(now, next);
    next = at + 1000 / perSecond;
    await sleep(at - now);
  };
}
