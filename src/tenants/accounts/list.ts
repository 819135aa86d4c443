import { assertScope, type Principal, scopeOf, soleOwner } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../../db/page.ts";
import { readTenant } from "../../db/tenant.ts";
import { freezesOf } from "../freezes.ts";
import { subjectOf } from "../members/subject-of.ts";
import { type Account, toAccount } from "./account.ts";

/** An account in a list, with the subject of its owner. */
export type ListedAccount = Account & Readonly<{ owner_subject: string | null }>;

/** The accounts that the caller may see, newest first. */
export async function listAccounts(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<ListedAccount>> {
  assertScope(principal, "accounts:read");
  const owner = soleOwner(principal);
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("accounts")
      .selectAll()
      .select([freezesOf("accounts").as("freezes"), subjectOf("accounts.owner_id").as("owner_subject")])
      .where("deleted_at", "is", null)
      .$if(owner !== null, (query) => query.where("owner_id", "=", owner ?? ""))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, (row) => ({ ...toAccount(row), owner_subject: row.owner_subject }));
}
