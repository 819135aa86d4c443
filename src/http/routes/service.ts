import { z } from "zod";
import { notNarrowed } from "../../access/narrowing.ts";
import { operatorScope } from "../../access/permissions.ts";
import { KeyholdError } from "../../errors.ts";
import { nearNames } from "../../near-names.ts";
import { findOperation } from "../../venues/operations.ts";
import type { VenueDescription } from "../../venues/venue.ts";
import { json } from "../answer.ts";
import { anyCaller, everybody } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { text } from "../schemas/common.ts";
import { paramsSchema, venueOperations as operationList } from "../schemas/operations.ts";
import { health, me, readiness } from "../schemas/service.ts";
import { venueList } from "../schemas/venues.ts";
import type { Parts } from "./parts.ts";

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
