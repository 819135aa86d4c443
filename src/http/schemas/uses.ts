import { z } from "zod";
import { statuses } from "../../credentials/credential.ts";
import { environments, fieldNames } from "../../venues/venue.ts";
import { component } from "../components.ts";
import { id, text, time } from "./common.ts";
import { accountFacts, permissions } from "./credentials.ts";

const outcome = z.string().meta({
  description:
    "The venue's verdict in one word: `valid`; `rejected`, a refusal of the key; `ambiguous`, one that may be of the key; `ip_not_allowed`, `timeout` …",
});

const validationFields = {
  is_valid: z.boolean().nullable().meta({ description: "null when the venue could not tell" }),
  outcome,
  message: z.string(),
  permissions: permissions.nullable(),
  account_type: z.string().nullable(),
  account_status: z.string().nullable(),
  account: accountFacts,
  expires_at: time.nullable(),
};

const validationExample = {
  is_valid: true,
  outcome: "valid",
  message: "The venue accepts the credential.",
  permissions: {
    read: "yes" as const,
    trade: "yes" as const,
    withdraw: "no" as const,
    transfer: "unknown" as const,
    bound_ips: null,
    unknown_words: [],
  },
  account_type: "paper",
  account_status: "ACTIVE",
  account: { type: "paper", status: "ACTIVE" },
  expires_at: null,
};

export const validation = component("Validation", z.object(validationFields), validationExample);

export const validated = component(
  "ValidatedCredential",
  z.object({ ...validationFields, status: z.enum(statuses) }),
  {
    ...validationExample,
    status: "active",
  },
);

export const invocation = component(
  "Invocation",
  z.strictObject({
    operation: z
      .string()
      .regex(/^[A-Za-z]{1,64}$/, { message: "is not the name of an operation" })
      .meta({ description: "One of the venue's operations; `GET /api/v1/venues` lists them" }),
    params: z
      .record(z.string().max(64), z.unknown())
      .default({})
      .meta({ description: "The operation's own parameters" }),
  }),
  {
    operation: "createOrder",
    params: { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.01", price: "50000" },
  },
);

export const invoked = component(
  "Invoked",
  z.object({
    outcome: z.enum(["done", "outcome_unknown"]),
    operation: z.string(),
    result: z.unknown().meta({ description: "What the venue answered" }),
    message: z.string().nullable(),
    client_order_id: z.string().nullable().meta({ description: "By which the order is found at the venue" }),
  }),
  {
    outcome: "done",
    operation: "fetchBalance",
    result: { total: { USDT: 1000 } },
    message: null,
    client_order_id: null,
  },
);

export const revealRequest = component(
  "RevealRequest",
  z.strictObject({
    reason: text(1000).meta({ description: "Stands in the record for as long as the record is kept" }),
  }),
  { reason: "Moving to another platform, ticket 4711" },
);

/** Describes bytes that the domain writes; nothing is ever parsed with it. */
export const revealed = component(
  "RevealedSecret",
  z.object({
    credential_id: id,
    venue: z.string(),
    environment: z.enum(environments),
    version: z.int(),
    secret: z.partialRecord(z.enum(fieldNames), z.string()),
  }),
  {
    credential_id: "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33",
    venue: "binance",
    environment: "live",
    version: 1,
    secret: { api_key: "the venue's key", api_secret: "the venue's secret" },
  },
);
