import { z } from "zod";
import { json, noContent } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { apiKeyList, createdApiKey, newApiKey } from "../schemas/api-keys.ts";
import { idParams, pageQuery } from "../schemas/common.ts";
import type { Parts } from "./parts.ts";
import { createApiKey } from "../../tenants/create-api-key.ts";
import { listApiKeys, revokeApiKey } from "../../tenants/api-key.ts";

type Needs = Pick<Parts, "custody" | "cursors" | "forget">;

export function apiKeyRoutes(parts: Needs): readonly Route[] {
  return [create, list, revoke].map((define) => define(parts));
}

const keyIsGone =
  "The key was shown in the first answer alone. If you do not have it, revoke this key (DELETE /api/v1/api-keys/{id}) and make another.";

function create({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/api-keys",
    operationId: "createApiKey",
    tag: "api-keys",
    summary: "Make an API key for yourself",
    description:
      "Its scopes are among yours, it reaches no more than you do, and it ends with the key that makes it. The key is shown this once.",
    permission: holdersOf("api-keys:write"),
    audit: ["api_key.created"],
    problems: ["illegal_state", "not_found"],
    idempotency: "kept",
    input: z.object({ body: newApiKey }),
    answer: json(201, "The API key", createdApiKey, {
      keep: (created) => ({ ...created, key: null, advice: keyIsGone }),
    }),
    handle({ caller, input: { body } }) {
      const { expires_at: expiresAt, ...rest } = body;
      const request = { ...rest, ...(expiresAt === undefined ? {} : { expiresAt }) };
      return createApiKey(custody.db, caller, request);
    },
  });
}

function list({ custody, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/api-keys",
    operationId: "listApiKeys",
    tag: "api-keys",
    summary: "List the API keys that you may see, revoked ones too",
    permission: holdersOf("api-keys:read"),
    audit: { none: "it reads metadata that the caller may see" },
    problems: [],
    idempotency: "none",
    input: z.object({ query: pageQuery }),
    answer: json(200, "A page of API keys", apiKeyList),
    handle: ({ caller, input: { query } }) =>
      pageByAge(cursors, { tenantId: caller.tenantId, list: "api-keys" }, query, (page) =>
        listApiKeys(custody.db, caller, page),
      ),
  });
}

function revoke({ custody, forget }: Needs): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/api-keys/:id",
    operationId: "revokeApiKey",
    tag: "api-keys",
    summary: "End an API key",
    description: "No secret is opened with it from this moment, and nothing else after two seconds at most.",
    permission: holdersOf("api-keys:write"),
    audit: ["api_key.revoked"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("It is revoked"),
    async handle({ caller, input: { params } }) {
      const revoked = await revokeApiKey(custody.db, caller, params.id);
      forget(revoked.memberId);
      return revoked;
    },
  });
}
