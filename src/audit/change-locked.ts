import type { Principal } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { assertSeen } from "../db/revision.ts";
import type { TenantTx } from "../db/tenant.ts";
import { type Answered, change, type Changed } from "./change.ts";
import { refuseMiss } from "./misses.ts";

type Named = Parameters<typeof refuseMiss>[2];

/** A change of one thing. If `work` returns `undefined`, there is no such thing, and it throws what the miss means. */
async function changeFound<T extends object>(
  db: Db,
  principal: Principal,
  named: Named,
  work: (tx: TenantTx) => Promise<Changed<T> | undefined>,
): Promise<Answered<T>> {
  try {
    return await change(db, principal, async (tx) => {
      const changed = await work(tx);
      if (changed === undefined) throw new Missing();
      return changed;
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, named);
  }
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}

/**
 * Makes the function that changes one thing of a kind: it locks the row that `lock` finds, lets `work` change
 * it, and records what was done. If the caller names a revision, the row must still have it. The function
 * throws `stale`, or what a miss means.
 */
export function changeLocked<Row extends Readonly<{ revision: number }>>(
  kind: Named["kind"],
  lock: (tx: TenantTx, id: string) => Promise<Row | undefined>,
) {
  return <T extends object>(
    db: Db,
    principal: Principal,
    { revision, ...target }: Readonly<{ id: string; action: string; revision?: number | undefined }>,
    work: (tx: TenantTx, row: Row) => Promise<Changed<T>>,
  ): Promise<Answered<T>> =>
    changeFound(db, principal, { kind, ...target }, async (tx) => {
      const row = await lock(tx, target.id);
      if (row === undefined) return undefined;
      assertSeen(row.revision, revision);
      return work(tx, row);
    });
}
