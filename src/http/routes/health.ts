import { z } from "zod";
import { statuses } from "../../credentials/credential.ts";
import { healthOf, healthSummary as summarise } from "../../credentials/health.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, idParams, pageQuery, time } from "../schemas.ts";
import { reads, type Parts } from "./kinds.ts";

const health = z.enum(["unknown", "healthy", "degraded", "unhealthy"]);

const venueRule = z.object({
  days: z.int(),
  counted_from: z.enum(["creation", "last_use"]).meta({ description: "A health check counts as a use" }),
  applies: z
    .enum(["yes", "unknown"])
    .meta({ description: "`unknown` if the venue does not report the addresses or permissions of the key" }),
  source: z.url().meta({ description: "Where the venue publishes the rule" }),
});

const credentialHealth = component(
  "HealthReport",
  z.object({
    status: z.enum(statuses),
    health,
    health_message: z.string().nullable(),
    last_validated_at: time.nullable(),
    next_check_at: time.nullable().meta({
      description: "When the next check is due; null unless the credential is active, pending or invalid",
    }),
    expires_at: time.nullable(),
    venue_rule: venueRule.nullable().meta({
      description: "The venue's own rule about the lifetime of such a key; null if none is known",
    }),
    estimated_expires_at: time.nullable().meta({
      description:
        "The latest time at which the key expires under that rule, if the venue does not report an expiry. Counted from the last check, or from when Keyhold first stored the key, which may be later than its creation. Used for warnings only, never to refuse a use",
    }),
    checks: z
      .array(
        z.object({
          at: time,
          purpose: z.string(),
          outcome: z.string(),
          status: z.string(),
          health: z.string(),
        }),
      )
      .meta({ description: "The last checks, newest first" }),
  }),
  {
    status: "active",
    health: "healthy",
    health_message: null,
    last_validated_at: "2026-11-20T09:00:00.000Z",
    next_check_at: "2026-11-20T15:00:00.000Z",
    expires_at: null,
    venue_rule: {
      days: 90,
      counted_from: "creation",
      applies: "yes",
      source: "https://www.gate.com/help/guide/faq/17521/how-to-utilize-api",
    },
    estimated_expires_at: "2027-01-18T09:00:00.000Z",
    checks: [
      {
        at: "2026-11-20T09:00:00.000Z",
        purpose: "health",
        outcome: "valid",
        status: "active",
        health: "healthy",
      },
    ],
  },
);

const healthSummary = component(
  "HealthSummary",
  z.object({
    items: z
      .array(z.object({ venue: z.string(), status: z.string(), health: z.string(), count: z.int() }))
      .meta({ description: "Number of credentials by venue, status and health" }),
    checks: z.object({ count: z.int(), refused: z.int(), undecided: z.int() }).meta({
      description:
        "Checks of the last 24 hours; `undecided` counts those without a definite answer of the venue",
    }),
    oldest_due_at: time
      .nullable()
      .meta({ description: "The due time of the check that has waited longest; null if none is waiting" }),
    expiring: z.int().meta({ description: "Active credentials that expire within 14 days" }),
  }),
  {
    items: [{ venue: "binance", status: "active", health: "healthy", count: 12 }],
    checks: { count: 48, refused: 0, undecided: 1 },
    oldest_due_at: null,
    expiring: 0,
  },
);

export function healthRoutes(parts: Parts): readonly Route[] {
  return [one, summary].map((define) => define(parts));
}

function one({ custody }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/credentials/:id/health",
    operationId: "showHealth",
    tag: "credentials",
    summary: "Show the health of a credential",
    permission: holdersOf("credentials:read"),
    input: z.object({ params: idParams, query: pageQuery.pick({ limit: true }) }),
    answer: json(200, "The credential's health and the last checks", credentialHealth),
    handle: ({ caller, input: { params, query } }) => healthOf(custody, caller, params.id, query.limit),
  });
}

function summary({ custody }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/health",
    operationId: "summariseHealth",
    tag: "credentials",
    summary: "Summarise the health of credentials",
    permission: holdersOf("credentials:read"),
    audit: { none: "it counts what the caller may see" },
    input: z.object({}),
    answer: json(200, "Counts by venue, status and health", healthSummary),
    handle: ({ caller }) => summarise(custody, caller),
  });
}
