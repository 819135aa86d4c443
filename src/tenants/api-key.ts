import { type Selectable, sql } from "kysely";
import type { Scope } from "../access/permissions.ts";
import { assertScope, type Principal, scopeOf, soleOwner } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant } from "../db/tenant.ts";
import { subjectOf } from "./member.ts";
import { changeFound } from "../audit/change-locked.ts";

/** An API key as it is shown: never the key itself. */
export type ApiKey = Readonly<ReturnType<typeof toApiKey>>;

export type ApiKeyRequest = Readonly<{
  name: string;
  scopes: readonly Scope[];
  agent?: boolean;
  /** At most 366 days from now. Defaults to 90 days from now. */
  expiresAt?: Date | null;
  credentials?: readonly string[];
  accounts?: readonly string[];
  /** Networks such as `10.20.0.0/16`, or single addresses. */
  networks?: readonly string[];
}>;

/** All columns but the hash and those of its signature. */
export const apiKeyColumns = [
  "tenant_id",
  "id",
  "member_id",
  "name",
  "prefix",
  "scopes",
  "agent",
  "makers",
  "credentials",
  "accounts",
  "networks",
  "made_without_end",
  "expires_at",
  "revoked_at",
  "last_used_at",
  "created_at",
] as const;

export function toApiKey(row: Omit<Selectable<Database["api_keys"]>, "hash" | "grant_number" | "grant_mac">) {
  return {
    id: row.id,
    member_id: row.member_id,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes,
    agent: row.agent,
    made_by: row.makers.at(-1) ?? null,
    credentials: row.credentials,
    accounts: row.accounts,
    networks: row.networks,
    expires_at: row.expires_at.toISOString(),
    made_without_end: row.made_without_end,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}

/** The API keys that the caller may see, revoked ones too, newest first. */
export async function listApiKeys(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<ApiKey & Readonly<{ member_subject: string | null }>>> {
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

/**
 * Ends an API key: from this moment it opens no secret, and after two seconds it is good for nothing. The
 * keys that it has made end with it. Revoking it again changes only the record. Returns its member. Throws
 * `forbidden` for another member's key, `not_found` for any other id.
 */
export async function revokeApiKey(
  db: Db,
  principal: Principal,
  id: string,
): Promise<Answered<Readonly<{ memberId: string }>>> {
  assertScope(principal, "api-keys:write");
  return changeFound(db, principal, { kind: "api_key", id, action: "revoke" }, async (tx) => {
    const row = await tx
      .updateTable("api_keys")
      .set({ revoked_at: sql`coalesce(revoked_at, now())` })
      .where("id", "=", id)
      .returning("member_id")
      .executeTakeFirst();
    if (row === undefined) return null;
    return {
      value: { memberId: row.member_id },
      events: [{ event: "api_key.revoked", detail: { api_key_id: id } }],
    };
  });
}
