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
