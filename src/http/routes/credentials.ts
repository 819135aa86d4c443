import { z } from "zod";
import { statuses } from "../../credentials/credential.ts";
import { list as listCredentials, show as showCredential } from "../../credentials/list.ts";
import { register } from "../../credentials/register.ts";
import { replace } from "../../credentials/replace.ts";
import { OwnedFields } from "../../credentials/secret.ts";
import { update as updateCredential } from "../../credentials/update.ts";
import { Secret } from "../../crypto/secret.ts";
import type { ErrorCode } from "../../errors.ts";
import { environments, fieldNames, operationClasses } from "../../venues/venue.ts";
import { json } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import {
  component,
  endInput,
  freezes,
  id,
  idParams,
  ifMatch,
  listOf,
  pageQuery,
  revision,
  switchedOffRank,
  text,
  time,
} from "../schemas.ts";
import { reads, showRoute, type Parts } from "./kinds.ts";

const environment = z.enum(environments);
const venue = z.string().regex(/^[a-z0-9_]{1,64}$/, { message: "is not the id of a venue" });
const label = text(64).meta({
  description: "Distinguishes credentials of the same account, venue and environment. Defaults to `default`",
});
const grant = z.enum(["yes", "no", "unknown"]);

export const permissions = z.object({
  read: grant,
  trade: grant,
  withdraw: grant,
  transfer: grant,
  bound_ips: z.array(z.string()).nullable().meta({
    description: "IP addresses to which the venue restricts the key; null if the venue does not report them",
  }),
  unknown_words: z
    .array(z.string())
    .meta({ description: "Permissions that Keyhold does not recognise. Any of them counts as withdraw" }),
});

export const accountFacts = z
  .object({
    id: z.string().optional(),
    number: z.string().optional(),
    type: z.string().optional(),
    status: z.string().optional(),
    blocked: z.array(z.string()).optional(),
  })
  .meta({ description: "What the venue reports about the account of the key" });

const policy = {
  allow: z
    .array(z.enum(operationClasses))
    .max(operationClasses.length)
    .meta({ description: "Classes of operations that `invoke` may run" }),
  reveal: z.boolean().meta({ description: "Whether the plaintext may be revealed" }),
};
const policyInput = z.strictObject({
  allow: policy.allow.exactOptional(),
  reveal: policy.reveal.exactOptional(),
});

export const credentialExample = {
  id: "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33",
  account_id: "c5a2f6de-7b1f-4f7e-a6b5-3e0d6b8a4c22",
  owner_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
  venue: "binance",
  environment: "live" as const,
  label: "default",
  status: "active" as const,
  switched_off_rank: null,
  frozen: false,
  freezes: [],
  permissions: {
    read: "yes" as const,
    trade: "no" as const,
    withdraw: "no" as const,
    transfer: "no" as const,
    bound_ips: [],
    unknown_words: [],
  },
  account: {},
  policy: { allow: ["read" as const], reveal: false },
  secret: { store: "postgres", version: 1 },
  health: "healthy" as const,
  health_message: null,
  expires_at: null,
  last_validated_at: "2026-11-20T09:00:00.000Z",
  revision: 1,
  created_at: "2026-11-20T09:00:00.000Z",
  updated_at: "2026-11-20T09:00:00.000Z",
};

export const credential = component(
  "Credential",
  z.object({
    id,
    account_id: id,
    owner_id: id,
    venue: z.string(),
    environment,
    label: z.string(),
    status: z.enum(statuses),
    switched_off_rank: switchedOffRank,
    frozen: z.boolean(),
    freezes,
    permissions: permissions
      .nullable()
      .meta({ description: "Permissions of the key, as the venue reports them; null until the first check" }),
    account: accountFacts,
    policy: z.object(policy),
    secret: z
      .object({ store: z.string(), version: z.int() })
      .meta({ description: "Where the encrypted secret is stored" }),
    health: z.enum(["unknown", "healthy", "degraded", "unhealthy"]),
    health_message: z.string().nullable(),
    expires_at: time.nullable(),
    last_validated_at: time.nullable(),
    revision,
    created_at: time,
    updated_at: time,
  }),
  credentialExample,
);

const credentialList = listOf("CredentialList", credential, credentialExample);

const secretField = z.string().max(8192).exactOptional();

const secret = z
  .strictObject(
    {
      api_key: secretField,
      api_secret: secretField,
      passphrase: secretField,
      uid: secretField,
      wallet_address: secretField,
      private_key: secretField,
      token: secretField,
    },
    {
      error: ({ code }) =>
        code === "unrecognized_keys" ? `takes ${fieldNames.join(", ")}, and no other field` : undefined,
    },
  )
  .meta({ description: "The fields that the venue needs. `GET /api/v1/venues` lists them" });

/** Moves the fields of a request into buffers that can be zeroed. The caller disposes of them. */
export function takeSecret(sent: z.output<typeof secret>): OwnedFields {
  const fields = new OwnedFields();
  for (const name of fieldNames) {
    const value = sent[name];
    if (value !== undefined) fields.set(name, Secret.fromText(value));
  }
  return fields;
}

const secretExample = { api_key: "the venue's key", api_secret: "the venue's secret" };

const newCredential = component(
  "NewCredential",
  z.strictObject({
    account_id: id,
    venue,
    environment,
    label: label.exactOptional(),
    secret,
    policy: policyInput.exactOptional(),
    expires_at: endInput.nullable().exactOptional(),
    validation: z.enum(["now", "deferred"]).exactOptional().meta({
      description:
        "`deferred` stores the credential as pending without checking it first, if the tenant's policy permits this",
    }),
  }),
  { account_id: credentialExample.account_id, venue: "binance", environment: "live", secret: secretExample },
);

const credentialUpdate = component(
  "CredentialUpdate",
  z.strictObject({
    label: label.exactOptional(),
    active: z
      .boolean()
      .exactOptional()
      .meta({ description: "Before it is switched on, the credential is checked with the venue" }),
    expires_at: endInput.nullable().exactOptional(),
    policy: policyInput.exactOptional(),
  }),
  { policy: { allow: ["read", "trade"] } },
);

export const newSecret = component("NewSecret", z.strictObject({ secret }), { secret: secretExample });

export const secretToValidate = component(
  "SecretToValidate",
  z.strictObject({ venue, environment, secret }),
  { venue: "binance", environment: "live", secret: secretExample },
);

const credentialFilter = {
  account_id: id.exactOptional(),
  venue: venue.exactOptional(),
  environment: environment.exactOptional(),
  status: z.enum(statuses).exactOptional(),
  label: text(64).exactOptional(),
};

/** Register, show and change a credential. */
export function credentialRoutes(parts: Parts): readonly Route[] {
  return [create, list, show, update, replaceSecret].map((define) => define(parts));
}

/** Errors of checking a secret and storing it. */
const keeping: readonly ErrorCode[] = [
  "venue_rejected",
  "venue_ambiguous",
  "venue_unproven",
  "venue_permission",
  "venue_ip",
  "venue_unavailable",
  "withdraw_refused",
  "permissions_unknown",
  "store_unavailable",
  "store_denied",
  "key_unavailable",
];

function create({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials",
    operationId: "registerCredential",
    tag: "credentials",
    summary: "Register a credential",
    description:
      "Checks the credential with the venue first. It is encrypted and stored only if the venue accepts it and the tenant's policy allows it.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.registered", "credential.refused_at_register"],
    problems: ["not_found", "duplicate", "credential_inactive", "policy_forbids", "frozen", ...keeping],
    idempotency: "kept",
    input: z.object({ body: newCredential }),
    answer: json(201, "The credential, without its secret", credential, {
      location: ({ id }) => `/api/v1/credentials/${id}`,
    }),
    async handle({ caller, input: { body } }) {
      const { account_id: accountId, expires_at: expiresAt, secret, ...rest } = body;
      using fields = takeSecret(secret);
      const expiry = expiresAt === undefined ? {} : { expiresAt };
      return await register(custody, caller, { ...rest, ...expiry, accountId, fields });
    },
  });
}

function list({ custody, cursors }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/credentials",
    operationId: "listCredentials",
    tag: "credentials",
    summary: "List credentials",
    permission: holdersOf("credentials:read"),
    problems: ["not_found"],
    input: z.object({ query: pageQuery.extend(credentialFilter) }),
    answer: json(200, "A page of credentials", credentialList),
    handle: ({ caller, input: { query } }) => {
      const { limit: _limit, cursor: _cursor, account_id: accountId, ...rest } = query;
      const filter = { ...rest, ...(accountId === undefined ? {} : { accountId }) };
      return pageByAge(cursors, { tenantId: caller.tenantId, list: "credentials" }, query, (page) =>
        listCredentials(custody, caller, filter, page),
      );
    },
  });
}

function show({ custody }: Parts): Route {
  return showRoute({
    path: "/api/v1/credentials/:id",
    operationId: "showCredential",
    tag: "credentials",
    summary: "Show a credential",
    permission: holdersOf("credentials:read"),
    answer: json(200, "The credential", credential),
    show: (caller, id) => showCredential(custody, caller, id),
  });
}

function update({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/credentials/:id",
    operationId: "updateCredential",
    tag: "credentials",
    summary: "Update a credential",
    description:
      "Changes the label, policy or expiry, or switches the credential on or off. Only the rank that switched it off, or a higher one, can switch it on again.",
    permission: holdersOf("credentials:write"),
    audit: ["credential.updated", "credential.used", "credential.validated"],
    problems: [
      "duplicate",
      "illegal_state",
      "venue_rejected",
      "venue_ambiguous",
      "venue_unproven",
      "venue_unavailable",
      "policy_forbids",
      "frozen",
      "record_unavailable",
    ],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: credentialUpdate }),
    answer: json(200, "The updated credential", credential),
    handle: ({ caller, input: { params, ifMatch: revision, body } }) => {
      const { expires_at: expiresAt, ...rest } = body;
      const changes = { ...rest, ...(expiresAt === undefined ? {} : { expiresAt }) };
      return updateCredential(custody, caller, params.id, revision, changes);
    },
  });
}

function replaceSecret({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "PUT",
    path: "/api/v1/credentials/:id/secret",
    operationId: "replaceSecret",
    tag: "credentials",
    summary: "Replace a secret",
    description:
      "Replaces the secret immediately, without an overlap. Fields that are not sent keep their stored value. The result is checked with the venue before anything changes.",
    permission: holdersOf("credentials:write"),
    audit: [
      "credential.used",
      "credential.secret_replaced",
      "credential.replacement_refused",
      "credential.recovered",
    ],
    problems: ["illegal_state", "policy_forbids", "frozen", "record_unavailable", ...keeping],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: newSecret }),
    answer: json(200, "The updated credential", credential),
    async handle({ caller, input: { params, ifMatch: revision, body } }) {
      using fields = takeSecret(body.secret);
      return await replace(custody, caller, params.id, revision, fields);
    },
  });
}
