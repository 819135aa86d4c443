import { z } from "zod";
import { testWebhook } from "../../webhooks/delivery.ts";
import { tellableEvents } from "../../webhooks/events.ts";
import {
  createWebhook,
  listWebhooks,
  removeWebhook,
  rotateSecret,
  showWebhook,
  updateWebhook,
} from "../../webhooks/webhook.ts";
import { json, noContent } from "../answer.ts";
import { component, listOf } from "../components.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { advice, id, idParams, ifMatch, revision, text, time } from "../schemas.ts";
import { listRoute, showRoute } from "./kinds.ts";
import type { Parts } from "./parts.ts";
import { delivery } from "./webhook-deliveries.ts";

const webhookExample = {
  id: "0b7c6c9e-6f2a-4f4e-8a5d-2f4c1d9e7b10",
  url: "https://hooks.example.com/keyhold",
  description: "desk alerts",
  events: ["credential.invalidated", "credential.expiring"],
  status: "active" as const,
  disabled_reason: null,
  failing_since: null,
  previous_secret_until: null,
  revision: 1,
  created_at: "2026-11-20T09:00:00.000Z",
  updated_at: "2026-11-20T09:00:00.000Z",
};

const fields = {
  id,
  url: z.string(),
  description: z.string(),
  events: z.array(z.string()).meta({ description: "What it is told; none is everything that can be told" }),
  status: z.enum(["active", "disabled"]),
  disabled_reason: z.enum(["member", "gone", "failing"]).nullable().meta({
    description: "By a member, because the receiver answered 410, or because it has failed for five days",
  }),
  failing_since: time.nullable().meta({ description: "Since when every attempt has failed" }),
  previous_secret_until: time
    .nullable()
    .meta({ description: "Until when the secret before the present one signs as well" }),
  revision,
  created_at: time,
  updated_at: time,
};

const webhook = component("Webhook", z.object(fields), webhookExample);

const webhookList = listOf("WebhookList", webhook, webhookExample);

const webhookWithSecret = component(
  "WebhookWithSecret",
  z.object({
    ...fields,
    secret: z.string().nullable().meta({
      description: "What its messages are signed with, shown this once; null when the answer is given again",
    }),
    advice,
  }),
  { ...webhookExample, secret: null },
);

const input = {
  url: z.string().min(1).max(2048),
  description: text(255).or(z.literal("")),
  events: z
    .array(z.enum(tellableEvents))
    .max(tellableEvents.length)
    .meta({ description: "What to tell; none is everything that can be told, now and in later versions" }),
};

const newWebhook = component(
  "NewWebhook",
  z.strictObject({
    url: input.url,
    description: input.description.exactOptional(),
    events: input.events.exactOptional(),
  }),
  { url: webhookExample.url, events: ["credential.invalidated", "credential.expiring"] },
);

const webhookUpdate = component(
  "WebhookUpdate",
  z.strictObject({
    url: input.url.exactOptional(),
    description: input.description.exactOptional(),
    events: input.events.exactOptional(),
    status: z
      .enum(["active", "disabled"])
      .exactOptional()
      .meta({ description: "One that is switched on again is sent what has been waiting for it" }),
  }),
  { status: "active" },
);

const secretRotation = component(
  "WebhookSecretRotation",
  z.strictObject({
    overlap_seconds: z.int().min(0).max(86_400).exactOptional().meta({
      description:
        "For how long the secret before signs as well, a day when left out; 0 when somebody has learned it",
    }),
  }),
  { overlap_seconds: 86_400 },
);

/** Where the tenant is told of events. */
export function webhookRoutes(parts: Parts): readonly Route[] {
  return [create, list, show, update, remove, rotate, test].map((define) => define(parts));
}

const secretIsGone =
  "The secret was shown in the first answer alone. If you do not have it, make the next one (POST /api/v1/webhooks/{id}/rotate-secret).";

function create({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/webhooks",
    operationId: "createWebhook",
    tag: "webhooks",
    summary: "Have events of the tenant told to a URL",
    description:
      "Messages are signed as Standard Webhooks says, with the secret of this answer, which is shown this once. The URL must lead to public addresses.",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.created"],
    problems: ["illegal_state", "key_unavailable"],
    idempotency: "kept",
    input: z.object({ body: newWebhook }),
    answer: json(201, "The webhook and its secret", webhookWithSecret, {
      location: ({ id }) => `/api/v1/webhooks/${id}`,
      keep: (created) => ({ ...created, secret: null, advice: secretIsGone }),
    }),
    handle: ({ caller, input: { body } }) => createWebhook(webhooks, caller, body),
  });
}

function list({ webhooks, cursors }: Parts): Route {
  return listRoute(cursors, {
    list: "webhooks",
    path: "/api/v1/webhooks",
    operationId: "listWebhooks",
    tag: "webhooks",
    summary: "List the tenant's webhooks",
    permission: holdersOf("webhooks:read"),
    answer: json(200, "A page of webhooks", webhookList),
    read: (caller, page) => listWebhooks(webhooks, caller, page),
  });
}

function show({ webhooks }: Parts): Route {
  return showRoute({
    path: "/api/v1/webhooks/:id",
    operationId: "showWebhook",
    tag: "webhooks",
    summary: "Show a webhook, never its secret",
    permission: holdersOf("webhooks:read"),
    answer: json(200, "The webhook", webhook),
    show: (caller, id) => showWebhook(webhooks, caller, id),
  });
}

function update({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/webhooks/:id",
    operationId: "updateWebhook",
    tag: "webhooks",
    summary: "Change a webhook, or switch it on or off",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: webhookUpdate }),
    answer: json(200, "The webhook as it is now", webhook),
    handle: ({ caller, input: { params, ifMatch: revision, body } }) =>
      updateWebhook(webhooks, caller, { id: params.id, revision }, body),
  });
}

function remove({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/webhooks/:id",
    operationId: "deleteWebhook",
    tag: "webhooks",
    summary: "Remove a webhook, and what is waiting for it",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.deleted"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("It is gone, and nothing more is sent to it"),
    handle: ({ caller, input: { params } }) => removeWebhook(webhooks, caller, params.id),
  });
}

function rotate({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/webhooks/:id/rotate-secret",
    operationId: "rotateWebhookSecret",
    tag: "webhooks",
    summary: "Give a webhook its next secret",
    description:
      "The secret is shown this once. Until the overlap is over each message has two signatures, one of each secret.",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.secret_rotated"],
    problems: ["key_unavailable"],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: secretRotation.optional() }),
    answer: json(200, "The webhook and its secret", webhookWithSecret, {
      keep: (rotated) => ({ ...rotated, secret: null, advice: secretIsGone }),
    }),
    handle({ caller, input: { params, ifMatch: revision, body } }) {
      const rotation = { id: params.id, revision, overlapSeconds: body?.overlap_seconds };
      return rotateSecret(webhooks, caller, rotation);
    },
  });
}

function test({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/webhooks/:id/test",
    operationId: "testWebhook",
    tag: "webhooks",
    summary: "Send a message that tells nothing, to see whether it arrives",
    description: "It goes the way of all messages: the delivery tells what came of it, in a moment.",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.tested"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(202, "The delivery, which is made next", delivery),
    handle: ({ caller, input: { params } }) => testWebhook(webhooks, caller, params.id),
  });
}
