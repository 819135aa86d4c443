import { assertScope, type Principal, scopeOf } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { readTenant } from "../../db/tenant.ts";
import { freezesOf } from "../freezes.ts";
import { type Account, toAccount } from "./account.ts";
import { refuseMiss } from "../../audit/refusals.ts";

/** Throws `forbidden` for another member's account, `not_found` for any other id. */
export async function showAccount(db: Db, principal: Principal, id: string): Promise<Account> {
  assertScope(principal, "accounts:read");
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("accounts")
      .selectAll()
      .select(freezesOf("accounts").as("freezes"))
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .executeTakeFirst(),
  );
  return row === undefined
    ? refuseMiss(db, principal, { kind: "account", id, action: "show" })
    : toAccount(row);
}
