import { assertScope, type Principal, scopeOf, soleOwner } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../../db/page.ts";
import { readTenant } from "../../db/tenant.ts";
import { subjectOf } from "../members/subject-of.ts";
import { type ApiKey, apiKeyColumns, toApiKey } from "./api-key.ts";

/** An API key in a list, with the subject of its member. */
export type ListedApiKey = ApiKey & Readonly<{ member_subject: string | null }>;

/** The API keys that the caller may see, revoked ones too, newest first. */
export async function listApiKeys(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<ListedApiKey>> {
  assertScope(principal, "api-keys:read");
  const owner = soleOwner(principal);
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("api_keys")
      .select(apiKeyColumns)
      .select(subjectOf("api_keys.member_id").as("member_subject"))
      .$if(owner !== null, (query) => query.where("member_id", "=", owner ?? ""))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, (row) => ({ ...toApiKey(row), member_subject: row.member_subject }));
}
