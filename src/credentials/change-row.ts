import type { Principal } from "../access/principal.ts";
import { type Answered, change, type Changed } from "../audit/change.ts";
import { stale } from "../db/revision.ts";
import type { TenantTx } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import { lockCredential, type LockedRow } from "./rows.ts";
import { refuseMiss } from "../audit/refusals.ts";

/**
 * A change of one credential: locks its row, lets `work` change it, and records what it did. With a `revision` the row must
 * still have it. Throws `stale`, or what a miss means.
 */
export async function changeRow<T extends object>(
  custody: Pick<Custody, "db">,
  principal: Principal,
  target: Readonly<{ id: string; action: string; revision?: number }>,
  work: (tx: TenantTx, row: LockedRow) => Promise<Changed<T>>,
): Promise<Answered<T>> {
  try {
    return await change(custody.db, principal, async (tx) => {
      const row = await lockCredential(tx, target.id);
      if (row === undefined) throw new Missing();
      if (target.revision !== undefined && row.revision !== target.revision) throw stale(row.revision);
      return work(tx, row);
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(custody.db, principal, { kind: "credential", id: target.id, action: target.action });
  }
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}
