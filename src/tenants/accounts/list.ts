import { assertScope, type Principal, scopeOf } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../../db/page.ts";
import { readTenant } from "../../db/tenant.ts";
import { freezesOf } from "../freezes.ts";
import { type Account, toAccount } from "./account.ts";

/** The accounts that the caller may see, newest first. */
export async function listAccounts(db: Db, principal: Principal, page: PageRequest): Promise<Page<Account>> {
  assertScope(principal, "accounts:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("accounts")
      .selectAll()
      .select(freezesOf("accounts").as("freezes"))
      .where("deleted_at", "is", null)
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toAccount);
}
