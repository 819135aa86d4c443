import { randomUUID } from "node:crypto";
import { makeApiKey } from "../../access/api-keys.ts";
import { assertScope, type Principal } from "../../access/principal.ts";
import { change } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { KeyholdError } from "../../errors.ts";
import { type ApiKey, apiKeyColumns, type ApiKeyRequest, toApiKey } from "./api-key.ts";

/**
 * Makes an API key for the caller itself, with scopes that the caller has: a key never widens anybody's rights, and nobody acts
 * under another's name. `key` is shown this once. Throws `forbidden`, and `malformed` for an expiry that has passed.
 */
export async function createApiKey(
  db: Db,
  principal: Principal,
  request: ApiKeyRequest,
): Promise<Readonly<{ apiKey: ApiKey; key: string }>> {
  assertScope(principal, "api-keys:write");
  const memberId = assertMayMake(principal, request);
  const { key, prefix, hash } = makeApiKey();
  const apiKey = await change(db, principal, async (tx) => {
    const row = await tx
      .insertInto("api_keys")
      .values({
        tenant_id: principal.tenantId,
        id: randomUUID(),
        member_id: memberId,
        name: request.name,
        prefix,
        hash,
        scopes: [...request.scopes],
        agent: request.agent ?? false,
        expires_at: request.expiresAt ?? null,
      })
      .returning(apiKeyColumns)
      .executeTakeFirstOrThrow();
    const detail = { api_key_id: row.id, member_id: memberId, scopes: request.scopes };
    return { value: toApiKey(row), events: [{ event: "api_key.created", detail }] };
  });
  return { apiKey, key };
}

/** Answers whose key it will be. */
function assertMayMake(principal: Principal, { scopes, expiresAt }: ApiKeyRequest): string {
  if (principal.kind !== "member") throw new KeyholdError("forbidden", "An API key belongs to a member.");
  const beyond = scopes.filter((scope) => !principal.scopes.has(scope));
  if (beyond.length > 0) {
    throw new KeyholdError(
      "forbidden",
      `A key cannot have scopes that you do not have: ${beyond.join(", ")}.`,
      {
        facts: { missing_scopes: beyond },
      },
    );
  }
  if (expiresAt !== undefined && expiresAt !== null && expiresAt <= new Date()) {
    throw new KeyholdError("malformed", "The expiry of the key has passed already.");
  }
  return principal.memberId;
}
