import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Db } from "../db/connect.ts";
import { withPlatform } from "../db/tenant.ts";
import { freezesOf } from "./freezes.ts";
import { type Tenant, toTenant } from "./tenant.ts";

/** All tenants, newest first: for the operator, who sees nothing inside them. */
export async function listTenants(db: Db, page: PageRequest): Promise<Page<Tenant>> {
  const rows = await withPlatform(db, (tx) =>
    tx
      .selectFrom("tenants")
      .selectAll()
      .select(freezesOf("tenants").as("freezes"))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toTenant);
}
