import { z } from "zod";
import { json, noContent } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams, ifMatch, pageQuery } from "../schemas/common.ts";
import {
  delivery,
  newWebhook,
  secretRotation,
  webhook,
  webhookList,
  webhookUpdate,
  webhookWithSecret,
} from "../schemas/webhooks.ts";
import type { Parts } from "./parts.ts";
import {
  createEndpoint,
  listEndpoints,
  removeEndpoint,
  rotateSecret,
  showEndpoint,
  updateEndpoint,
} from "../../webhooks/webhook.ts";
import { testEndpoint } from "../../webhooks/delivery.ts";

type Needs = Pick<Parts, "webhooks" | "cursors">;

/** Where the tenant is told of events. */
export function webhookRoutes(parts: Needs): readonly Route[] {
  return [create, list, show, update, remove, rotate, test].map((define) => define(parts));
}

const secretIsGone =
  "The secret was shown in the first answer alone. If you do not have it, make the next one (POST /api/v1/webhooks/{id}/rotate-secret).";

function create({ webhooks }: Needs): Route {
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
    handle: ({ caller, input: { body } }) => createEndpoint(webhooks, caller, body),
  });
}

function list({ webhooks, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/webhooks",
    operationId: "listWebhooks",
    tag: "webhooks",
    summary: "List the tenant's webhooks",
    permission: holdersOf("webhooks:read"),
    audit: { none: "it reads metadata that the caller may see" },
    problems: [],
    idempotency: "none",
    input: z.object({ query: pageQuery }),
    answer: json(200, "A page of webhooks", webhookList),
    handle: ({ caller, input: { query } }) =>
      pageByAge(cursors, { tenantId: caller.tenantId, list: "webhooks" }, query, (page) =>
        listEndpoints(webhooks, caller, page),
      ),
  });
}

function show({ webhooks }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/webhooks/:id",
    operationId: "showWebhook",
    tag: "webhooks",
    summary: "Show a webhook, never its secret",
    permission: holdersOf("webhooks:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The webhook", webhook),
    handle: ({ caller, input: { params } }) => showEndpoint(webhooks, caller, params.id),
  });
}

function update({ webhooks }: Needs): Route {
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
      updateEndpoint(webhooks, caller, { id: params.id, revision }, body),
  });
}

function remove({ webhooks }: Needs): Route {
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
    handle: ({ caller, input: { params } }) => removeEndpoint(webhooks, caller, params.id),
  });
}

function rotate({ webhooks }: Needs): Route {
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

function test({ webhooks }: Needs): Route {
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
    handle: ({ caller, input: { params } }) => testEndpoint(webhooks, caller, params.id),
  });
}
