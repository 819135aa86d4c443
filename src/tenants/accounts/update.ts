import { assertScope, type Principal } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { type Account, changeAccount, writeAccount } from "./account.ts";

/** Changes name or active flag; the credentials of an inactive account cannot be used from the same moment. */
export async function updateAccount(
  db: Db,
  principal: Principal,
  id: string,
  input: Readonly<{ name?: string; active?: boolean }>,
): Promise<Account> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "update" }, async (tx) => ({
    value: await writeAccount(tx, id, input),
    events: [{ event: "account.updated", detail: { account_id: id, changed: Object.keys(input) } }],
  }));
}
