import { assertScope, type Principal } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { type Account, changeAccount, writeAccount } from "./account.ts";

/** Stops every use of the account's credentials, effective at once in every process. */
export async function freezeAccount(
  db: Db,
  principal: Principal,
  id: string,
  reason: string | null,
): Promise<Account> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "freeze" }, async (tx, row) => ({
    value: await writeAccount(tx, id, { frozen_at: row.frozen_at ?? new Date() }),
    events: [{ event: "account.frozen", detail: { account_id: id, reason } }],
  }));
}

export async function unfreezeAccount(db: Db, principal: Principal, id: string): Promise<Account> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "unfreeze" }, async (tx) => ({
    value: await writeAccount(tx, id, { frozen_at: null }),
    events: [{ event: "account.unfrozen", detail: { account_id: id } }],
  }));
}
