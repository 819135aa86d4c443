import type { Selectable } from "kysely";
import type { Scope } from "../../access/permissions.ts";
import type { Database } from "../../db/schema.ts";

/** What is kept and shown of an API key: never the key. */
export type ApiKey = Readonly<{
  id: string;
  member_id: string;
  name: string;
  /** The first characters, to recognise the key by. */
  prefix: string;
  scopes: readonly string[];
  agent: boolean;
  expires_at: string | null;
  revoked_at: string | null;
  created_at: string;
}>;

export type ApiKeyRequest = Readonly<{
  name: string;
  scopes: readonly Scope[];
  agent?: boolean;
  expiresAt?: Date | null;
}>;

type Row = Omit<Selectable<Database["api_keys"]>, "hash">;

/** All columns but the hash. */
export const apiKeyColumns = [
  "tenant_id",
  "id",
  "member_id",
  "name",
  "prefix",
  "scopes",
  "agent",
  "expires_at",
  "revoked_at",
  "created_at",
] as const;

export function toApiKey(row: Row): ApiKey {
  return {
    id: row.id,
    member_id: row.member_id,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes,
    agent: row.agent,
    expires_at: row.expires_at?.toISOString() ?? null,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}
