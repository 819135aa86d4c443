import { z } from "zod";
import { KeyholdError } from "../../errors.ts";
import { nearNames } from "../../near-names.ts";
import { findOperation, type Operation } from "../../venues/operations.ts";
import { environments, fieldNames, operationClasses, type VenueDescription } from "../../venues/venue.ts";
import { json } from "../answer.ts";
import { anyCaller } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { listOf, text } from "../schemas.ts";
import { reads, type Parts } from "./kinds.ts";

const venue = z.object({
  id: z.string(),
  name: z.string(),
  environments: z.array(z.enum(environments)),
  fields: z.array(z.enum(fieldNames)).meta({ description: "The fields of a secret for this venue" }),
  provable: z.boolean().meta({
    description:
      "Whether the venue can confirm that a key is valid. If not, a credential is stored only if the tenant's policy has `allow_unproven`",
  }),
  reports: z
    .object({ permissions: z.boolean(), bound_ips: z.boolean(), expiry: z.boolean(), account: z.boolean() })
    .meta({ description: "What the venue reports about a key" }),
  client_order_ids: z
    .boolean()
    .meta({ description: "Whether an order can be looked up after its response was lost" }),
  operations: z.array(z.string()),
  transfer_accounts: z.array(z.string()).meta({
    description: "Accounts between which `transfer` moves money; empty if the venue has no such operation",
  }),
  egress_addresses: z.array(z.string()).meta({
    description:
      "The IP addresses from which Keyhold calls this venue, for the key's allow-list; empty if not configured",
  }),
});

const venueList = listOf("VenueList", venue, {
  id: "binance",
  name: "Binance",
  environments: ["live", "testnet"],
  fields: ["api_key", "api_secret"],
  provable: true,
  reports: { permissions: true, bound_ips: true, expiry: true, account: false },
  client_order_ids: true,
  operations: ["fetchBalance", "createOrder", "transfer"],
  transfer_accounts: ["spot", "funding"],
  egress_addresses: ["203.0.113.7"],
});

/**
 * The parameters of an operation as JSON Schema (draft 2020-12). A pattern with Unicode classes is left out:
 * several languages, such as Python, cannot read it.
 */
export function paramsSchema({ params }: Pick<Operation, "params">): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(params, {
    io: "input",
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern?.includes("\\p{") === true) delete jsonSchema.pattern;
    },
  });
  return schema;
}

const operationList = listOf(
  "VenueOperations",
  z.object({
    name: z.string(),
    class: z.enum(operationClasses).meta({
      description:
        "The class that the credential's policy must allow. Every class except read requires an Idempotency-Key",
    }),
    places_order: z.boolean(),
    params: z
      .record(z.string(), z.unknown())
      .meta({ description: "The parameters as JSON Schema (draft 2020-12)" }),
  }),
  {
    name: "fetchTicker",
    class: "read",
    places_order: false,
    params: {
      type: "object",
      properties: { symbol: { type: "string" } },
      required: ["symbol"],
      additionalProperties: false,
    },
  },
);

function venues({ custody, egressAddresses }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/venues",
    operationId: "listVenues",
    tag: "venues",
    summary: "List venues",
    permission: anyCaller,
    audit: { none: "its answer is the same for every caller" },
    input: z.object({}),
    answer: json(200, "All venues, with the fields that each needs and its operations", venueList),
    handle: () => {
      const items = custody.venues
        .list()
        .map(({ reports, clientOrderIds, transferAccounts = [], ...venue }) => ({
          ...venue,
          reports: {
            permissions: reports.permissions,
            bound_ips: reports.boundIps,
            expiry: reports.expiry,
            account: reports.account,
          },
          client_order_ids: clientOrderIds,
          transfer_accounts: transferAccounts,
          egress_addresses: egressAddresses(venue.id),
        }));
      return Promise.resolve({ items, next_cursor: null, count: items.length });
    },
  });
}

function venueOperations({ custody }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/venues/:id/operations",
    operationId: "listVenueOperations",
    tag: "venues",
    summary: "List the operations of a venue",
    permission: anyCaller,
    audit: { none: "its answer is the same for every caller" },
    input: z.object({ params: z.strictObject({ id: text(64) }) }),
    answer: json(200, "All operations of the venue, with their classes and parameters", operationList),
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
  return new KeyholdError("not_found", `There is no venue with this id. ${advice}`);
}

export function venueRoutes(parts: Parts): readonly Route[] {
  return [venues, venueOperations].map((define) => define(parts));
}
