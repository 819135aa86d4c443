import { z } from "zod";
import { json } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import type { Parts } from "./parts.ts";
import { listDeliveries, replayDelivery, showDelivery } from "../../webhooks/delivery.ts";
import { idParams, pageQuery } from "../schemas.ts";
import { delivery, deliveryFilter, deliveryList, deliveryWithLog } from "./webhooks.ts";

type Needs = Pick<Parts, "webhooks" | "cursors">;

/** What was sent to webhooks, and what came of it. */
export function webhookDeliveryRoutes(parts: Needs): readonly Route[] {
  return [list, show, replay].map((define) => define(parts));
}

function list({ webhooks, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/webhooks/deliveries",
    operationId: "listWebhookDeliveries",
    tag: "webhooks",
    summary: "List what was sent, waits to be sent or was given up",
    description: "What was delivered is kept for 30 days, everything else for 90.",
    permission: holdersOf("webhooks:read"),
    audit: { none: "it reads metadata that the caller may see" },
    problems: [],
    idempotency: "none",
    input: z.object({ query: pageQuery.extend(deliveryFilter) }),
    answer: json(200, "A page of deliveries", deliveryList),
    handle: ({ caller, input: { query } }) => {
      const { endpoint_id: endpointId, state } = query;
      const filter = {
        ...(endpointId === undefined ? {} : { endpointId }),
        ...(state === undefined ? {} : { state }),
      };
      return pageByAge(cursors, { tenantId: caller.tenantId, list: "webhook-deliveries" }, query, (page) =>
        listDeliveries(webhooks, caller, filter, page),
      );
    },
  });
}

function show({ webhooks }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/webhooks/deliveries/:id",
    operationId: "showWebhookDelivery",
    tag: "webhooks",
    summary: "Show a delivery with its body and every attempt at it",
    permission: holdersOf("webhooks:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The delivery", deliveryWithLog),
    handle: ({ caller, input: { params } }) => showDelivery(webhooks, caller, params.id),
  });
}

function replay({ webhooks }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/webhooks/deliveries/:id/replay",
    operationId: "replayWebhookDelivery",
    tag: "webhooks",
    summary: "Send a message again, whatever came of it before",
    description: "It keeps its id, so that the receiver knows it again, and is tried on a new schedule.",
    permission: holdersOf("webhooks:write"),
    audit: ["webhook.replayed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(202, "The delivery, which is made next", delivery),
    handle: ({ caller, input: { params } }) => replayDelivery(webhooks, caller, params.id),
  });
}
