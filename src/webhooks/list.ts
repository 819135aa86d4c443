import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import { readTenant } from "../db/tenant.ts";
import { type Endpoint, toEndpoint, type Webhooks } from "./endpoint.ts";

/** The tenant's endpoints, newest first. */
export async function listEndpoints(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  page: PageRequest,
): Promise<Page<Endpoint>> {
  assertScope(principal, "webhooks:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("webhook_endpoints")
      .selectAll()
      .where("deleted_at", "is", null)
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toEndpoint);
}
