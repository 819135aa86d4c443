import { z } from "zod";
import { healthOf, healthSummary as summarise } from "../../credentials/health.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams, pageQuery } from "../schemas/common.ts";
import { credentialHealth, healthSummary } from "../schemas/health.ts";
import type { Parts } from "./parts.ts";

type Needs = Pick<Parts, "custody">;

export function healthRoutes(parts: Needs): readonly Route[] {
  return [one, summary].map((define) => define(parts));
}

function one({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/credentials/:id/health",
    operationId: "showHealth",
    tag: "credentials",
    summary: "Show how a credential is, and what the venue answered before",
    permission: holdersOf("credentials:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams, query: pageQuery.pick({ limit: true }) }),
    answer: json(200, "Its health and the last checks", credentialHealth),
    handle: ({ caller, input: { params, query } }) => healthOf(custody, caller, params.id, query.limit),
  });
}

function summary({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/health",
    operationId: "summariseHealth",
    tag: "credentials",
    summary: "Show how the credentials are that you may see",
    permission: holdersOf("credentials:read"),
    audit: { none: "it counts what the caller may see" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: json(200, "Counts by venue, status and health", healthSummary),
    handle: ({ caller }) => summarise(custody, caller),
  });
}
