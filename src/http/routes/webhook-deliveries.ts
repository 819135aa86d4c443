import { z } from "zod";
import { listDeliveries, replayDelivery, showDelivery } from "../../webhooks/delivery.ts";
import { json } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id, idParams, listOf, pageQuery, time } from "../schemas.ts";
import { reads, showRoute, type Parts } from "./kinds.ts";

const deliveryExample = {
  id: "5f0d7a1e-98a4-4f2b-9a3e-4b8f6c1d2e01",
  endpoint_id: "0b7c6c9e-6f2a-4f4e-8a5d-2f4c1d9e7b10",
  message_id: "msg_3f6d1c0b7a5e4f2d9c8b1a0e7d6c5b4a",
  event: "credential.invalidated",
  state: "pending" as const,
  attempts: 1,
  outcome: "status_5xx",
  due_at: "2026-11-20T09:05:00.000Z",
  settled_at: null,
  created_at: "2026-11-20T09:00:00.000Z",
};

const state = z.enum(["pending", "delivered", "dead"]);

const deliveryFields = {
  id,
  endpoint_id: id,
  message_id: z
    .string()
    .meta({ description: "The `webhook-id` header, which is the same for every attempt" }),
  event: z.string(),
  state: state.meta({
    description: "`dead` means that no further attempt is made; the delivery can be replayed",
  }),
  attempts: z.int(),
  outcome: z.string().nullable().meta({ description: "The outcome of the last attempt" }),
  due_at: time.nullable().meta({ description: "The earliest time of the next attempt" }),
  settled_at: time
    .nullable()
    .meta({ description: "When the message was delivered, or the last attempt failed" }),
  created_at: time,
};

export const delivery = component("WebhookDelivery", z.object(deliveryFields), deliveryExample);

const deliveryList = listOf("WebhookDeliveryList", delivery, deliveryExample);

const deliveryWithLog = component(
  "WebhookDeliveryWithLog",
  z.object({
    ...deliveryFields,
    payload: z.string().meta({ description: "The body, as it is signed and sent" }),
    log: z
      .array(
        z.object({
          number: z.int(),
          at: time,
          outcome: z.string(),
          status: z.int().nullable(),
          milliseconds: z.int(),
        }),
      )
      .meta({
        description: "Every attempt, oldest first. Only the status of the receiver's response is kept",
      }),
  }),
  {
    ...deliveryExample,
    payload:
      '{"type":"credential.invalidated","timestamp":"2026-11-20T09:00:00.000000Z","data":{"tenant_id":"2f0b8b0e-6a55-4a5e-9d0c-5b8e2f5f3b11","credential_id":"9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33","venue":"binance","environment":"live","reason":"bad_key"}}',
    log: [
      { number: 1, at: "2026-11-20T09:00:01.000Z", outcome: "status_5xx", status: 503, milliseconds: 41 },
    ],
  },
);

const deliveryFilter = {
  endpoint_id: id.exactOptional(),
  state: state.exactOptional(),
};

/** Messages to webhooks, and their outcome. */
export function webhookDeliveryRoutes(parts: Parts): readonly Route[] {
  return [list, show, replay].map((define) => define(parts));
}

function list({ webhooks, cursors }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/webhooks/deliveries",
    operationId: "listWebhookDeliveries",
    tag: "webhooks",
    summary: "List webhook deliveries",
    description: "Successful deliveries are kept for 30 days, all others for 90 days.",
    permission: holdersOf("webhooks:read"),
    input: z.object({ query: pageQuery.extend(deliveryFilter) }),
    answer: json(200, "A page of deliveries", deliveryList),
    handle: ({ caller, input: { query } }) => {
      const { endpoint_id: webhookId, state } = query;
      const filter = {
        ...(webhookId === undefined ? {} : { webhookId }),
        ...(state === undefined ? {} : { state }),
      };
      return pageByAge(cursors, { tenantId: caller.tenantId, list: "webhook-deliveries" }, query, (page) =>
        listDeliveries(webhooks, caller, filter, page),
      );
    },
  });
}

function show({ webhooks }: Parts): Route {
  return showRoute({
    path: "/api/v1/webhooks/deliveries/:id",
    operationId: "showWebhookDelivery",
    tag: "webhooks",
    summary: "Show a webhook delivery",
    permission: holdersOf("webhooks:read"),
    answer: json(200, "The delivery", deliveryWithLog),
    show: (caller, id) => showDelivery(webhooks, caller, id),
  });
}

function replay({ webhooks }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/webhooks/deliveries/:id/replay",
    operationId: "replayWebhookDelivery",
    tag: "webhooks",
    summary: "Replay a webhook delivery",
    description:
      "Sends the message again, whatever its state, with the same id, so that the receiver can recognise it. It is retried on a new schedule.",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.replayed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(202, "The queued delivery", delivery),
    handle: ({ caller, input: { params } }) => replayDelivery(webhooks, caller, params.id),
  });
}
