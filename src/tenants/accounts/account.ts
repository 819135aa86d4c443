import { type Selectable, sql, type UpdateObject } from "kysely";
import type { Principal } from "../../access/principal.ts";
import type { MemberRank } from "../../access/ranks.ts";
import { type Answered, change, type Changed } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { assertSeen } from "../../db/revision.ts";
import type { Database } from "../../db/schema.ts";
import type { TenantTx } from "../../db/tenant.ts";
import { type Freeze, freezesOf } from "../freezes.ts";
import { refuseMiss } from "../../audit/refusals.ts";

export type AccountRow = Selectable<Database["accounts"]> & Readonly<{ freezes: readonly Freeze[] }>;

/** What a member trades with; its credentials are used only while it is active. */
export type Account = Readonly<{
  id: string;
  owner_id: string;
  name: string;
  active: boolean;
  /** Of whoever switched it off: that rank, or a higher one, switches it on. `null` while it is active. */
  switched_off_rank: MemberRank | null;
  frozen: boolean;
  freezes: readonly Freeze[];
  revision: number;
  created_at: string;
  updated_at: string;
}>;

export function toAccount(row: AccountRow): Account {
  return {
    id: row.id,
    owner_id: row.owner_id,
    name: row.name,
    active: row.active,
    switched_off_rank: row.active ? null : (row.switched_off_rank ?? "owner"),
    frozen: row.frozen_at !== null,
    freezes: row.freezes,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

export async function writeAccount(
  tx: TenantTx,
  id: string,
  changes: UpdateObject<Database, "accounts">,
): Promise<Account> {
  const row = await tx
    .updateTable("accounts")
    .set({ ...changes, revision: sql`revision + 1`, updated_at: sql`now()` })
    .where("id", "=", id)
    .returningAll()
    .returning(freezesOf("accounts").as("freezes"))
    .executeTakeFirstOrThrow();
  return toAccount(row);
}

/**
 * A change of one account: locks its row, lets `work` change it, and records what it did. With a `revision` the row must still have it.
 * Throws `stale`, or what a miss means.
 */
export async function changeAccount<T extends object>(
  db: Db,
  principal: Principal,
  { revision, ...target }: Readonly<{ id: string; action: string; revision?: number | undefined }>,
  work: (tx: TenantTx, row: AccountRow) => Promise<Changed<T>>,
): Promise<Answered<T>> {
  try {
    return await change(db, principal, async (tx) => {
      const row = await tx
        .selectFrom("accounts")
        .selectAll()
        .select(freezesOf("accounts").as("freezes"))
        .where("id", "=", target.id)
        .where("deleted_at", "is", null)
        .forUpdate()
        .executeTakeFirst();
      if (row === undefined) throw new Missing();
      assertSeen(row.revision, revision);
      return work(tx, row);
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, { kind: "account", ...target });
  }
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}
