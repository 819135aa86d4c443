import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { each, type Tally } from "../db/tally.ts";
import type { Custody } from "./custody.ts";
import { nextEnding } from "./ending.ts";
import { lockCredential, rescheduleCredential } from "./rows.ts";

type Due = Readonly<{ tenant_id: string; id: string }>;

/** Days ahead of an expiry at which its owner is warned, once each. */
const warningDays = [1, 7, 14] as const;

const mostAtOnce = 500;
const dayMs = 86_400_000;

/**
 * Warns of credentials that expire soon, at a date that is told or by a rule of their venue. A later date, or a new secret, begins
 * anew.
 */
export async function warnExpiring(custody: Pick<Custody, "db">): Promise<Tally> {
  let [done, failed] = [0, 0];
  // The nearest first: who was not warned before gets one warning, not three.
  for (const days of warningDays) {
    const { rows } = await sql<Due>`select * from clock.expiring_credentials(${days}, ${mostAtOnce})`.execute(
      custody.db,
    );
    const tally = await each(rows, (due) => warn(custody, due, days));
    done += tally.done;
    failed += tally.failed;
  }
  return { done, failed };
}

async function warn({ db }: Pick<Custody, "db">, { tenant_id, id }: Due, days: number): Promise<void> {
  await changeUnlessDone(db, system(tenant_id, "warn-expiring"), async (tx) => {
    const row = await lockCredential(tx, id);
    const ending = row === undefined ? null : await nextEnding(tx, row);
    if (row === undefined || ending === null) return null;
    const { at, estimated } = ending;
    const left = at.getTime() - row.now.getTime();
    if (left > days * dayMs || wasWarned(row.warned_days, days, left)) return null;
    await rescheduleCredential(tx, id, { warned_days: days });
    const detail = { credential_id: id, days, expires_at: at.toISOString(), estimated };
    return { value: undefined, events: [{ event: "credential.expiring", detail }] };
  });
}

/** Before the date was moved does not count. */
function wasWarned(warnedDays: number | null, days: number, left: number): boolean {
  return warnedDays !== null && warnedDays <= days && left <= warnedDays * dayMs;
}
