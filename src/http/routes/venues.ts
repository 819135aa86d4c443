import { z } from "zod";
import { environments, fieldNames } from "../../venues/venue.ts";
import { listOf } from "../components.ts";

const venue = z.object({
  id: z.string(),
  name: z.string(),
  environments: z.array(z.enum(environments)),
  fields: z
    .array(z.enum(fieldNames))
    .meta({ description: "The fields that a secret for this venue consists of" }),
  provable: z.boolean().meta({
    description:
      "Whether a key can be proved here. Where it cannot, a key is kept only if the tenant's policy has `allow_unproven`",
  }),
  tells: z
    .object({ permissions: z.boolean(), bound_ips: z.boolean(), expiry: z.boolean(), account: z.boolean() })
    .meta({ description: "What the venue can tell of a key" }),
  client_order_ids: z
    .boolean()
    .meta({ description: "Whether an order whose answer was lost can be looked up" }),
  operations: z.array(z.string()),
  transfer_accounts: z.array(z.string()).meta({
    description: "Accounts between which `transfer` moves money; empty where the venue has no such operation",
  }),
  egress_addresses: z.array(z.string()).meta({
    description: "The addresses that this venue sees, for binding a key to them; empty when not configured",
  }),
});

export const venueList = listOf("VenueList", venue, {
  id: "binance",
  name: "Binance",
  environments: ["live", "testnet"],
  fields: ["api_key", "api_secret"],
  provable: true,
  tells: { permissions: true, bound_ips: true, expiry: true, account: false },
  client_order_ids: true,
  operations: ["fetchBalance", "createOrder", "transfer"],
  transfer_accounts: ["spot", "funding"],
  egress_addresses: ["203.0.113.7"],
});
