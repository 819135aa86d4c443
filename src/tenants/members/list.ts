import { assertScope, type Principal, scopeOf, soleOwner } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../../db/page.ts";
import { readTenant } from "../../db/tenant.ts";
import { type TenantMember, toMember } from "./member.ts";

/** The members that the caller may see, newest first. */
export async function listMembers(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<TenantMember>> {
  assertScope(principal, "members:read");
  const owner = soleOwner(principal);
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("members")
      .selectAll()
      .$if(owner !== null, (query) => query.where("id", "=", owner ?? ""))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toMember);
}
