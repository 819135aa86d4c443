import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import { each, type Tally } from "../db/tally.ts";
import type { Custody } from "./custody.ts";
import { destroyIntended } from "./destroy.ts";
import { lockCredential, updateCredential } from "./rows.ts";
import { byTenant, doRound } from "./round.ts";

type Due = Readonly<{ tenant_id: string; id: string }>;

/** A writer needs seconds; whoever left an intent for this long has died. */
const abandonedAfter = "2 minutes";
const mostAtOnce = 500;
/** A store that is slow for one tenant leaves room for the others. */
const round = { atOnce: 8, bounds: [byTenant(2)], roundMs: 45_000 };

/** Finishes or removes what a crash left between a store and the database. A second run right after changes nothing. */
export async function reconcile(custody: Custody): Promise<Tally> {
  const { rows } =
    await sql<Due>`select * from clock.stale_intents(${abandonedAfter}::interval, ${mostAtOnce})`.execute(
      custody.db,
    );
  return doRound(rows, ({ tenant_id, id }) => destroyIntended(custody, tenant_id, id), round);
}

/** Marks what has passed its date. Uses are refused from the date itself; this makes the status say so. */
export async function expireDue(custody: Custody): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.expired_credentials(${mostAtOnce})`.execute(custody.db);
  return each(rows, async ({ tenant_id, id }) => {
    await changeUnlessDone(custody.db, system(tenant_id, "expire"), async (tx) => {
      const row = await lockCredential(tx, id);
      // Revoked, switched off or given a later date meanwhile.
      if (row?.status !== "active" || row.expires_at === null || row.expires_at > row.now) return null;
      await updateCredential(tx, id, { status: "expired" });
      return { value: undefined, events: [{ event: "credential.expired", detail: { credential_id: id } }] };
    });
  });
}
