import { z } from "zod";
import { statuses } from "../../credentials/credential.ts";
import { reveal as revealSecret } from "../../credentials/reveal.ts";
import { validate as validateCredential, validateSecret } from "../../credentials/validate.ts";
import type { ErrorCode } from "../../errors.ts";
import { environments, fieldNames } from "../../venues/venue.ts";
import { json, secretBytes } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id, idParams, text, time } from "../schemas.ts";
import { accountFacts, permissions, secretToValidate, takeSecret } from "./credentials.ts";
import type { Parts } from "./kinds.ts";

const outcome = z.string().meta({
  description:
    "The venue's verdict: `valid`, `rejected` (the key was refused), `ambiguous` (the refusal may concern the key), `ip_not_allowed`, `timeout` …",
});

const validationFields = {
  is_valid: z.boolean().nullable().meta({ description: "null if the venue gave no definite answer" }),
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

const validation = component("Validation", z.object(validationFields), validationExample);

const validated = component(
  "ValidatedCredential",
  z.object({ ...validationFields, status: z.enum(statuses) }),
  {
    ...validationExample,
    status: "active",
  },
);

const revealRequest = component(
  "RevealRequest",
  z.strictObject({
    reason: text(1000).meta({ description: "Kept in the audit record" }),
  }),
  { reason: "Moving to another platform, ticket 4711" },
);

/** Describes the bytes that the domain writes. Nothing is parsed with it. */
const revealed = component(
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

/** Validate a credential, or reveal it. */
export function credentialUseRoutes(parts: Parts): readonly Route[] {
  return [check, validate, reveal].map((define) => define(parts));
}

/** Errors of opening a secret. */
export const opening: readonly ErrorCode[] = [
  "credential_inactive",
  "illegal_state",
  "policy_forbids",
  "frozen",
  "record_unavailable",
  "store_unavailable",
  "store_denied",
  "secret_lost",
  "secret_damaged",
  "key_unavailable",
];

function check({ custody }: Parts): Route {
  return route({
    effect: "uses",
    method: "POST",
    path: "/api/v1/credentials/validate",
    operationId: "validateSecret",
    tag: "credentials",
    summary: "Validate a secret",
    description: "Checks a secret with the venue without storing it. Only the outcome is recorded.",
    permission: holdersOf("credentials:validate"),
    audit: ["credential.checked"],
    problems: [],
    idempotency: "kept",
    input: z.object({ body: secretToValidate }),
    answer: json(200, "The venue's verdict, positive or not", validation),
    async handle({ caller, input: { body } }) {
      const { secret, ...target } = body;
      using fields = takeSecret(secret);
      return await validateSecret(custody, caller, { ...target, fields });
    },
  });
}

function validate({ custody }: Parts): Route {
  return route({
    effect: "uses",
    method: "POST",
    path: "/api/v1/credentials/:id/validate",
    operationId: "validateCredential",
    tag: "credentials",
    summary: "Validate a credential",
    description: "Checks a stored credential with the venue and updates its status and health.",
    permission: holdersOf("credentials:validate"),
    audit: ["credential.used", "credential.validated", "credential.refused"],
    problems: opening,
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The venue's verdict, positive or not", validated),
    handle: ({ caller, input: { params } }) => validateCredential(custody, caller, params.id),
  });
}

function reveal({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials/:id/reveal",
    operationId: "revealSecret",
    tag: "credentials",
    summary: "Reveal a secret",
    description:
      "Returns the secret in plain text. Requires a reason, and the credential's policy must allow it.",
    permission: holdersOf("credentials:reveal"),
    audit: ["credential.revealed", "credential.refused"],
    problems: opening,
    limit: "reveals",
    idempotency: { ignored: "a kept answer would be the plaintext, unsealed" },
    input: z.object({ params: idParams, body: revealRequest }),
    answer: secretBytes("The secret", revealed),
    handle: ({ caller, input: { params, body } }) => revealSecret(custody, caller, params.id, body.reason),
  });
}
