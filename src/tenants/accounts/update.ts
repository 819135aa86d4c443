import { assertScope, type Principal } from "../../access/principal.ts";
import { assertMaySwitchOn, switchedOffBy } from "../../access/ranks.ts";
import type { Answered } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { type Account, type AccountRow, changeAccount, writeAccount } from "./account.ts";

export type AccountUpdate = Readonly<{ name?: string; active?: boolean }>;

/**
 * Changes name or active flag; the credentials of an inactive account cannot be used from the same moment. Throws `stale`, and `forbidden` for
 * switching on what a higher rank has switched off.
 */
export async function updateAccount(
  db: Db,
  principal: Principal,
  id: string,
  input: AccountUpdate,
  revision?: number,
): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, revision, action: "update" }, async (tx, row) => ({
    value: await writeAccount(tx, id, { ...input, ...switched(principal, row, input.active) }),
    events: [{ event: "account.updated", detail: { account_id: id, changed: Object.keys(input) } }],
  }));
}

function switched(principal: Principal, row: AccountRow, active: boolean | undefined) {
  if (active === undefined || (active && row.active)) return {};
  if (!active)
    return { switched_off_rank: switchedOffBy(principal, row.active ? undefined : row.switched_off_rank) };
  assertMaySwitchOn(principal, row.switched_off_rank, "account");
  return { switched_off_rank: null };
}
