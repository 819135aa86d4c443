import { assertScope, type Principal, scopeOf } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../../db/page.ts";
import { readTenant } from "../../db/tenant.ts";
import { type ApiKey, apiKeyColumns, toApiKey } from "./api-key.ts";

/** The API keys that the caller may see, revoked ones too, newest first. */
export async function listApiKeys(db: Db, principal: Principal, page: PageRequest): Promise<Page<ApiKey>> {
  assertScope(principal, "api-keys:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("api_keys")
      .select(apiKeyColumns)
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toApiKey);
}
