import { z } from "zod";
import { longestList } from "../../access/narrowing.ts";
import { scopes } from "../../access/permissions.ts";
import { listApiKeys, revokeApiKey, createApiKey } from "../../tenants/api-key.ts";
import { json, noContent } from "../answer.ts";
import { component, listOf } from "../components.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { advice, id, idParams, subject, text, time, timeInput } from "../schemas.ts";
import { listRoute } from "./kinds.ts";
import type { Parts } from "./parts.ts";

const apiKeyExample = {
  id: "e1c9a7a0-3a4e-4b5f-9a39-6f1d2c3b4a55",
  member_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
  name: "nightly report",
  prefix: "kh_4rT9xQ2",
  scopes: ["credentials:read"],
  agent: false,
  made_by: null,
  credentials: null,
  accounts: ["c5a2f6de-7b1f-4f7e-a6b5-3e0d6b8a4c22"],
  networks: ["10.20.0.0/16"],
  expires_at: "2027-01-01T00:00:00.000Z",
  made_without_end: false,
  revoked_at: null,
  last_used_at: "2026-11-20T09:30:00.000Z",
  created_at: "2026-11-20T09:00:00.000Z",
};

const fields = {
  id,
  member_id: id,
  name: z.string(),
  prefix: z.string().meta({ description: "The first characters of the key, to recognise it by" }),
  scopes: z.array(z.string()),
  agent: z.boolean(),
  made_by: id.nullable().meta({
    description:
      "The API key that created this one. When it ends, this one ends too; null if it was created with a token",
  }),
  credentials: z.array(id).nullable(),
  accounts: z.array(id).nullable().meta({
    description:
      "The key reaches the listed credentials, and the credentials of the listed accounts. If both lists are null, it reaches everything that its member does",
  }),
  networks: z
    .array(z.string())
    .nullable()
    .meta({ description: "Networks from which the key can be used; null means anywhere" }),
  expires_at: time,
  made_without_end: z.boolean().meta({
    description:
      "True for a key without an expiry from an earlier version of Keyhold. Such a key ends 366 days after the upgrade, at `expires_at`",
  }),
  revoked_at: time.nullable(),
  last_used_at: time.nullable().meta({ description: "Accurate to a minute; null before the first use" }),
  created_at: time,
};

const listedExample = { ...apiKeyExample, member_subject: "alice" };

const apiKeyList = listOf(
  "ApiKeyList",
  component(
    "ApiKey",
    z.object({
      ...fields,
      member_subject: subject.meta({ description: "The subject of the member that the key belongs to" }),
    }),
    listedExample,
  ),
  listedExample,
);

const named = z.array(id).min(1).max(longestList);

const newApiKey = component(
  "NewApiKey",
  z.strictObject({
    name: text(64),
    scopes: z.array(z.enum(scopes)).min(1).max(scopes.length),
    agent: z
      .boolean()
      .exactOptional()
      .meta({ description: "An agent can only read and place orders, whatever its scopes" }),
    credentials: named.exactOptional(),
    accounts: named.exactOptional().meta({
      description: "Limits the key to the listed credentials, and to the credentials of the listed accounts",
    }),
    networks: z
      .array(text(64))
      .min(1)
      .max(longestList)
      .exactOptional()
      .meta({ description: "Limits the key to these addresses or networks, such as 10.20.0.0/16" }),
    expires_at: timeInput
      .nullable()
      .exactOptional()
      .meta({ description: "At most 366 days from now. Defaults to 90 days from now" }),
  }),
  { name: "nightly report", scopes: ["credentials:read"], expires_at: "2027-01-01T00:00:00Z" },
);

const createdApiKey = component(
  "CreatedApiKey",
  z.object({
    ...fields,
    key: z
      .string()
      .nullable()
      .meta({ description: "The key itself. It is shown only once; null in a repeated response" }),
    advice,
  }),
  { ...apiKeyExample, key: null },
);

export function apiKeyRoutes(parts: Parts): readonly Route[] {
  return [create, list, revoke].map((define) => define(parts));
}

const keyIsGone =
  "The key was shown only in the first response. If you do not have it, revoke this key (DELETE /api/v1/api-keys/{id}) and create another.";

function create({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/api-keys",
    operationId: "createApiKey",
    tag: "api-keys",
    summary: "Create an API key",
    description:
      "Creates an API key for yourself. It cannot have more scopes or reach than you have, and it ends with the API key that creates it. The key is shown only once.",
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

function list({ custody, cursors }: Parts): Route {
  return listRoute(cursors, {
    list: "api-keys",
    path: "/api/v1/api-keys",
    operationId: "listApiKeys",
    tag: "api-keys",
    summary: "List API keys",
    permission: holdersOf("api-keys:read"),
    answer: json(200, "A page of API keys", apiKeyList),
    read: (caller, page) => listApiKeys(custody.db, caller, page),
  });
}

function revoke({ custody, forget }: Parts): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/api-keys/:id",
    operationId: "revokeApiKey",
    tag: "api-keys",
    summary: "Revoke an API key",
    description:
      "From this moment the key opens no secret and changes nothing. Reads stop within two seconds.",
    permission: holdersOf("api-keys:write"),
    audit: ["api_key.revoked"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("The API key is revoked"),
    async handle({ caller, input: { params } }) {
      const revoked = await revokeApiKey(custody.db, caller, params.id);
      forget(revoked.memberId);
      return revoked;
    },
  });
}
