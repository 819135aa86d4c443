import { z } from "zod";
import { list as listCredentials, show as showCredential } from "../../credentials/list.ts";
import { register } from "../../credentials/register.ts";
import { replace } from "../../credentials/replace.ts";
import { update as updateCredential } from "../../credentials/update.ts";
import type { ErrorCode } from "../../errors.ts";
import { json } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams, ifMatch, pageQuery } from "../schemas/common.ts";
import {
  credential,
  credentialFilter,
  credentialList,
  credentialUpdate,
  newCredential,
  newSecret,
  takeSecret,
} from "../schemas/credentials.ts";
import type { Parts } from "./parts.ts";

type Needs = Pick<Parts, "custody" | "cursors">;

/** A credential as it is kept: take it in, show it, change it. */
export function credentialRoutes(parts: Needs): readonly Route[] {
  return [create, list, show, update, replaceSecret].map((define) => define(parts));
}

/** What can go wrong when a secret is checked and kept. */
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

function create({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/credentials",
    operationId: "registerCredential",
    tag: "credentials",
    summary: "Register a credential",
    description:
      "The venue is asked first; only what it accepts, and the tenant's policy has nothing against, is sealed and kept.",
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

function list({ custody, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/credentials",
    operationId: "listCredentials",
    tag: "credentials",
    summary: "List the credentials that you may see",
    permission: holdersOf("credentials:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: ["not_found"],
    idempotency: "none",
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

function show({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/credentials/:id",
    operationId: "showCredential",
    tag: "credentials",
    summary: "Show a credential, never its secret",
    permission: holdersOf("credentials:read"),
    audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The credential", credential),
    handle: ({ caller, input: { params } }) => showCredential(custody, caller, params.id),
  });
}

function update({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/credentials/:id",
    operationId: "updateCredential",
    tag: "credentials",
    summary: "Change label, policy or expiry, or switch it on or off",
    description: "The rank that has switched it off, or a higher one, switches it on.",
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
    answer: json(200, "The credential as it is now", credential),
    handle: ({ caller, input: { params, ifMatch: revision, body } }) => {
      const { expires_at: expiresAt, ...rest } = body;
      const changes = { ...rest, ...(expiresAt === undefined ? {} : { expiresAt }) };
      return updateCredential(custody, caller, params.id, revision, changes);
    },
  });
}

function replaceSecret({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "PUT",
    path: "/api/v1/credentials/:id/secret",
    operationId: "replaceSecret",
    tag: "credentials",
    summary: "Put another secret in its place at once",
    description:
      "Some of the fields may be sent: they are joined with those that are kept, and the venue is asked about the whole before anything changes.",
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
    answer: json(200, "The credential as it is now", credential),
    async handle({ caller, input: { params, ifMatch: revision, body } }) {
      using fields = takeSecret(body.secret);
      return await replace(custody, caller, params.id, revision, fields);
    },
  });
}
