import { z } from "zod";
import { notNarrowed } from "../../access/narrowing.ts";
import { operatorScope } from "../../access/permissions.ts";
import { KeyholdError } from "../../errors.ts";
import { nearNames } from "../../near-names.ts";
import { findOperation } from "../../venues/operations.ts";
import type { VenueDescription } from "../../venues/venue.ts";
import { json } from "../answer.ts";
import { component } from "../components.ts";
import { anyCaller, everybody } from "../permission.ts";
import { type Route, route } from "../route.ts";
import type { Parts } from "./parts.ts";
import { id, text } from "../schemas.ts";
import { paramsSchema } from "./invoke.ts";
import { venueList } from "./venues.ts";

export const health = component("Health", z.object({ status: z.literal("ok") }), { status: "ok" });
export const readiness = component("Readiness", z.object({ status: z.enum(["ok", "degraded"]) }), {
  status: "ok",
});

export const me = component(
  "Me",
  z.object({
    kind: z.enum(["member", "operator"]),
    tenant_id: id.nullable(),
    member_id: id.nullable(),
    role: z.string().nullable(),
    scopes: z
      .array(z.string())
      .meta({ description: "What is left of the token's scopes under the member's role" }),
    agent: z.boolean(),
    api_key_id: id.nullable(),
    narrowed_to: z
      .object({
        credentials: z.array(z.string()).nullable(),
        accounts: z.array(z.string()).nullable(),
        networks: z.array(z.string()).nullable(),
      })
      .meta({ description: "What the token or key reaches, and from where; null is not narrowed" }),
  }),
  {
    kind: "member",
    tenant_id: "2f0b8b0e-6a55-4a5e-9d0c-5b8e2f5f3b11",
    member_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
    role: "trader",
    scopes: ["credentials:read", "credentials:use"],
    agent: false,
    api_key_id: null,
    narrowed_to: { credentials: null, accounts: null, networks: ["10.20.0.0/16"] },
  },
);

type Needs = Pick<Parts, "custody" | "egressAddresses" | "ready">;

/** What the service tells of itself, and of who is asking. */
export function serviceRoutes(parts: Needs): readonly Route[] {
  return [live, ready, whoAmI, venues, venueOperations].map((define) => define(parts));
}

function live(): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/health/live",
    operationId: "isLive",
    tag: "service",
    summary: "Whether the process answers",
    permission: everybody,
    audit: { none: "it tells nothing of anybody" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: json(200, "It does", health),
    handle: () => Promise.resolve({ status: "ok" }),
  });
}

function ready(parts: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/health/ready",
    operationId: "isReady",
    tag: "service",
    summary: "Whether the service can do its work",
    permission: everybody,
    audit: { none: "it tells nothing of anybody" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: json(200, "It can; `degraded` while the secret store is away or refuses Keyhold", readiness),
    async handle() {
      return { status: await parts.ready() };
    },
  });
}

function whoAmI(): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/me",
    operationId: "whoAmI",
    tag: "service",
    summary: "Who your token speaks for, and what it may do",
    permission: anyCaller,
    audit: { none: "it tells the caller what its own token says" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: json(200, "You", me),
    handle: ({ caller }) => {
      const nobody = {
        tenant_id: null,
        member_id: null,
        role: null,
        agent: false,
        api_key_id: null,
        narrowed_to: notNarrowed,
      };
      if (caller.kind === "operator")
        return Promise.resolve({ ...nobody, kind: caller.kind, scopes: [operatorScope] });
      return Promise.resolve({
        kind: caller.kind,
        tenant_id: caller.tenantId,
        member_id: caller.memberId,
        role: caller.role,
        scopes: [...caller.scopes],
        agent: caller.agent,
        api_key_id: caller.apiKeyId,
        narrowed_to: caller.narrowing,
      });
    },
  });
}

function venues({ custody, egressAddresses }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/venues",
    operationId: "listVenues",
    tag: "venues",
    summary: "List the venues, the fields that each needs, and what it can tell",
    permission: anyCaller,
    audit: { none: "it reads what is the same for everybody" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: json(200, "All venues", venueList),
    handle: () => {
      const items = custody.venues
        .list()
        .map(({ tells, clientOrderIds, transferAccounts = [], ...venue }) => ({
          ...venue,
          tells: {
            permissions: tells.permissions,
            bound_ips: tells.boundIps,
            expiry: tells.expiry,
            account: tells.account,
          },
          client_order_ids: clientOrderIds,
          transfer_accounts: transferAccounts,
          egress_addresses: egressAddresses(venue.id),
        }));
      return Promise.resolve({ items, next_cursor: null, count: items.length });
    },
  });
}

function venueOperations({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/venues/:id/operations",
    operationId: "listVenueOperations",
    tag: "venues",
    summary: "List the operations of a venue, with their classes and parameters",
    permission: anyCaller,
    audit: { none: "it reads what is the same for everybody" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: z.strictObject({ id: text(64) }) }),
    answer: json(200, "All operations of the venue", operationList),
    handle: ({ input: { params } }) => {
      const venue = custody.venues.get(params.id)?.description;
      if (venue === undefined) throw unknownVenue(params.id, custody.venues.list());
      const items = venue.operations.flatMap((name) => {
        const operation = findOperation(venue, name);
        if (operation === undefined) return [];
        const { class: kind, placesOrder } = operation;
        return [{ name, class: kind, places_order: placesOrder, params: paramsSchema(operation) }];
      });
      return Promise.resolve({ items, next_cursor: null, count: items.length });
    },
  });
}

function unknownVenue(id: string, known: readonly VenueDescription[]): KeyholdError {
  const near = nearNames(
    id,
    known.map((venue) => venue.id),
  );
  const advice = near.length === 0 ? "GET /api/v1/venues lists them." : `Did you mean ${near.join(" or ")}?`;
  return new KeyholdError("not_found", `There is no venue of this id. ${advice}`);
}
