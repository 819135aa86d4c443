import type { Principal } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { assertSeen } from "../db/revision.ts";
import type { TenantTx } from "../db/tenant.ts";
import { type Answered, change, type Changed } from "./change.ts";
import { type Kind, refuseMiss } from "./misses.ts";

/**
 * The function that changes one thing of this kind: it locks the row that `lock` finds, lets `work` change
 * it, and records what was done. If the target names a revision, the row must still have it. It throws
 * `stale`, or what a miss means.
 */
export function changeLocked<Row extends Readonly<{ revision: number }>>(
  kind: Kind,
  lock: (tx: TenantTx, id: string) => Promise<Row | undefined>,
) {
  return async <T extends object>(
    db: Db,
    principal: Principal,
    { revision, ...target }: Readonly<{ id: string; action: string; revision?: number | undefined }>,
    work: (tx: TenantTx, row: Row) => Promise<Changed<T>>,
  ): Promise<Answered<T>> => {
    try {
      return await change(db, principal, async (tx) => {
        const row = await lock(tx, target.id);
        if (row === undefined) throw new Missing();
        assertSeen(row.revision, revision);
        return work(tx, row);
      });
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      return refuseMiss(db, principal, { kind, ...target });
    }
  };
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}
