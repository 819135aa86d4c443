import type { Principal } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { type Answered, change, type Changed } from "./change.ts";
import { refuseMiss } from "./refusals.ts";

/** A change of one thing. If `work` returns `null`, there is no such thing, and it throws what the miss means. */
export async function changeFound<T extends object>(
  db: Db,
  principal: Principal,
  named: Parameters<typeof refuseMiss>[2],
  work: (tx: TenantTx) => Promise<Changed<T> | null>,
): Promise<Answered<T>> {
  try {
    return await change(db, principal, async (tx) => {
      const changed = await work(tx);
      if (changed === null) throw new Missing();
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
  kind: Parameters<typeof refuseMiss>[2]["kind"],
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
      if (row === undefined) return null;
      assertSeen(row.revision, revision);
      return work(tx, row);
    });
}

/** The error for a change of a row that was changed after the caller read it. */
export function stale(revision: number): KeyholdError {
  return new KeyholdError(
    "stale",
    "It has changed since you read it. Read it again, then repeat the change.",
    {
      facts: { revision },
    },
  );
}

/**
 * Throws `stale` when the caller has seen another revision than the present one. A caller without a revision
 * passes.
 */
export function assertSeen(present: number, seen: number | undefined): void {
  if (seen !== undefined && seen !== present) throw stale(present);
}
