import { z } from "zod";
import { longestList } from "../../access/narrowing.ts";
import { scopes } from "../../access/permissions.ts";
import { listApiKeys, revokeApiKey } from "../../tenants/api-key.ts";
import { createApiKey } from "../../tenants/create-api-key.ts";
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
  prefix: z.string().meta({ description: "The first characters, to recognise the key by" }),
  scopes: z.array(z.string()),
  agent: z.boolean(),
  made_by: id.nullable().meta({ description: "The key that made it, with which it ends; null for a token" }),
  credentials: z.array(id).nullable(),
  accounts: z.array(id).nullable().meta({
    description: "It reaches the credentials that are named, and those of these accounts; both null is all",
  }),
  networks: z
    .array(z.string())
    .nullable()
    .meta({ description: "From where it may be used; null is anywhere" }),
  expires_at: time,
  made_without_end: z.boolean().meta({
    description:
      "Made by a version that let keys live without an end: it ends 366 days after the upgrade, at expires_at",
  }),
  revoked_at: time.nullable(),
  last_used_at: time.nullable().meta({ description: "Within a minute; null before the first use" }),
  created_at: time,
};

const listedExample = { ...apiKeyExample, member_subject: "alice" };

const apiKeyList = listOf(
  "ApiKeyList",
  component(
    "ApiKey",
    z.object({
      ...fields,
      member_subject: subject.meta({ description: "Of the member who calls with it" }),
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
      .meta({ description: "An agent reads and places orders, and nothing else, whatever its scopes" }),
    credentials: named.exactOptional(),
    accounts: named
      .exactOptional()
      .meta({ description: "Narrows the key to the named credentials, and to those of the named accounts" }),
    networks: z
      .array(text(64))
      .min(1)
      .max(longestList)
      .exactOptional()
      .meta({ description: "Narrows the key to these networks, such as 10.20.0.0/16, or addresses" }),
    expires_at: timeInput
      .nullable()
      .exactOptional()
      .meta({ description: "At most 366 days from now; 90 days from now when left out" }),
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
      .meta({ description: "The key itself, shown this once; null when the answer is given again" }),
    advice,
  }),
  { ...apiKeyExample, key: null },
);

export function apiKeyRoutes(parts: Parts): readonly Route[] {
  return [create, list, revoke].map((define) => define(parts));
}

const keyIsGone =
  "The key was shown in the first answer alone. If you do not have it, revoke this key (DELETE /api/v1/api-keys/{id}) and make another.";

function create({ custody }: Parts): Route {
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

function list({ custody, cursors }: Parts): Route {
  return listRoute(cursors, {
    list: "api-keys",
    path: "/api/v1/api-keys",
    operationId: "listApiKeys",
    tag: "api-keys",
    summary: "List the API keys that you may see, revoked ones too",
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
