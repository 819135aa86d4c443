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
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { advice, component, id, idParams, ifMatch, listOf, revision, text, time } from "../schemas.ts";
import { listRoute, showRoute, type Parts } from "./kinds.ts";
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
  events: z.array(z.string()).meta({ description: "Events that are sent; an empty list means all of them" }),
  status: z.enum(["active", "disabled"]),
  disabled_reason: z.enum(["member", "gone", "failing"]).nullable().meta({
    description:
      "`member`: switched off by a member; `gone`: the receiver answered 410; `failing`: every attempt failed for five days",
  }),
  failing_since: time.nullable().meta({ description: "Every attempt has failed since this time" }),
  previous_secret_until: time
    .nullable()
    .meta({ description: "Messages are also signed with the previous secret until this time" }),
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
      description: "The secret that signs the messages. It is shown only once; null in a repeated response",
    }),
    advice,
  }),
  { ...webhookExample, secret: null },
);

const input = {
  url: z.string().min(1).max(2048),
  description: text(255).or(z.literal("")),
  events: z.array(z.enum(tellableEvents)).max(tellableEvents.length).meta({
    description: "Events to send. An empty list means all of them, including events of later versions",
  }),
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
    status: z.enum(["active", "disabled"]).exactOptional().meta({
      description: "A webhook that is enabled again receives the messages that have been waiting for it",
    }),
  }),
  { status: "active" },
);

const secretRotation = component(
  "WebhookSecretRotation",
  z.strictObject({
    overlap_seconds: z.int().min(0).max(86_400).exactOptional().meta({
      description:
        "How long the previous secret also signs. Defaults to one day; use 0 if the secret has leaked",
    }),
  }),
  { overlap_seconds: 86_400 },
);

/** URLs that receive events of the tenant. */
export function webhookRoutes(parts: Parts): readonly Route[] {
  return [create, list, show, update, remove, rotate, test].map((define) => define(parts));
}

const secretIsGone =
  "The secret was shown only in the first response. If you do not have it, rotate it (POST /api/v1/webhooks/{id}/rotate-secret).";

function create({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/webhooks",
    operationId: "createWebhook",
    tag: "webhooks",
    summary: "Create a webhook",
    description:
      "Sends events of the tenant to a URL. Messages are signed according to Standard Webhooks with the secret in this response, which is shown only once. The URL must resolve to public addresses.",
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
    summary: "List webhooks",
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
    summary: "Show a webhook",
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
    summary: "Update a webhook",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: webhookUpdate }),
    answer: json(200, "The updated webhook", webhook),
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
    summary: "Delete a webhook",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.deleted"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: noContent("The webhook is deleted, with the messages that were waiting for it"),
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
    summary: "Rotate the secret of a webhook",
    description:
      "The new secret is shown only once. During the overlap each message has two signatures, one for each secret.",
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
    summary: "Send a test message",
    description: "Queues a message without content. The delivery shows the result.",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.tested"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(202, "The queued delivery", delivery),
    handle: ({ caller, input: { params } }) => testWebhook(webhooks, caller, params.id),
  });
}
