import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { Custody } from "./custody.ts";
import { lockCredential, rescheduleCredential } from "./rows.ts";
import { each, type Tally } from "./tally.ts";

type Due = Readonly<{ tenant_id: string; id: string }>;

/** Days ahead of an expiry at which its owner is warned, once each. */
const warningDays = [1, 7, 14] as const;

const mostAtOnce = 500;
const dayMs = 86_400_000;

/** Warns of credentials that expire soon. A later date, or a new secret, begins anew. */
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
    if (row?.status !== "active" || row.expires_at === null) return null;
    const left = row.expires_at.getTime() - row.now.getTime();
    if (left <= 0 || left > days * dayMs || wasWarned(row.warned_days, days, left)) return null;
    await rescheduleCredential(tx, id, { warned_days: days });
    const detail = { credential_id: id, days, expires_at: row.expires_at.toISOString() };
    return { value: undefined, events: [{ event: "credential.expiring", detail }] };
  });
}

/** Before the date was moved does not count. */
function wasWarned(warnedDays: number | null, days: number, left: number): boolean {
  return warnedDays !== null && warnedDays <= days && left <= warnedDays * dayMs;
}
