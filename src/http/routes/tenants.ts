import { z } from "zod";
import {
  createTenant,
  deleteTenant,
  freezeTenantAsOperator,
  listTenants,
  resumeTenant,
  showTenant,
  suspendTenant,
  unfreezeTenantAsOperator,
  updateTenant,
} from "../../tenants/tenant.ts";
import { json } from "../answer.ts";
import { component, listOf } from "../components.ts";
import { pageByAge } from "../paging.ts";
import { operator } from "../permission.ts";
import { type Route, route } from "../route.ts";
import type { Parts } from "./parts.ts";
import { freezes, id, idParams, ifMatch, pageQuery, reason, revision, text, time } from "../schemas.ts";

const perMinute = z.int().min(1).max(100_000_000);

/** What the operator grants; what is left out is as the installation is configured. */
const limits = z.strictObject({
  requests_per_minute: perMinute.exactOptional(),
  reveals_per_minute: perMinute.exactOptional(),
  invokes_per_minute: perMinute.exactOptional(),
});

const policy = z.strictObject({
  allow_withdraw: z.boolean().meta({ description: "Whether credentials that can withdraw are kept" }),
  allow_unknown_permissions: z
    .boolean()
    .meta({ description: "Whether credentials are kept whose permissions the venue cannot tell" }),
  allow_deferred: z
    .boolean()
    .meta({ description: "Whether credentials may be kept before the venue was asked about them" }),
  allow_unproven: z
    .boolean()
    .meta({ description: "Whether credentials are kept of venues that cannot prove a key" }),
  check_minutes: z
    .int()
    .min(15)
    .max(1440)
    .meta({ description: "How often the venue is asked about each active credential, in minutes" }),
});

const tenantExample = {
  id: "2f0b8b0e-6a55-4a5e-9d0c-5b8e2f5f3b11",
  name: "Northwind Trading",
  status: "active" as const,
  frozen: false,
  freezes: [],
  policy: {
    allow_withdraw: false,
    allow_unknown_permissions: true,
    allow_deferred: false,
    allow_unproven: false,
    check_minutes: 360,
  },
  limits: { requests_per_minute: 600 },
  revision: 1,
  created_at: "2026-11-20T09:00:00.000Z",
  updated_at: "2026-11-20T09:00:00.000Z",
};

export const tenant = component(
  "Tenant",
  z.object({
    id,
    name: z.string(),
    status: z.enum(["active", "suspended", "deleted"]),
    frozen: z.boolean(),
    freezes,
    policy,
    limits,
    revision,
    created_at: time,
    updated_at: time,
  }),
  tenantExample,
);

export const tenantList = listOf("TenantList", tenant, tenantExample);

export const newTenant = component(
  "NewTenant",
  z.strictObject({
    name: text(255),
    owner: z
      .strictObject({ issuer: text(255), subject: text(255) })
      .meta({ description: "Whose tokens speak for the first member, who owns the tenant" }),
  }),
  { name: "Northwind Trading", owner: { issuer: "urn:keyhold:local", subject: "alice" } },
);

export const createdTenant = component("CreatedTenant", z.object({ tenant, owner_id: id }), {
  tenant: tenantExample,
  owner_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
});

export const tenantUpdate = component(
  "TenantUpdate",
  z.strictObject({ name: text(255).exactOptional(), limits: limits.exactOptional() }),
  { limits: { requests_per_minute: 600 } },
);

const policyInput = z.strictObject({
  allow_withdraw: policy.shape.allow_withdraw.exactOptional(),
  allow_unknown_permissions: policy.shape.allow_unknown_permissions.exactOptional(),
  allow_deferred: policy.shape.allow_deferred.exactOptional(),
  allow_unproven: policy.shape.allow_unproven.exactOptional(),
  check_minutes: policy.shape.check_minutes.exactOptional(),
});

export const policyUpdate = component("TenantPolicyUpdate", z.strictObject({ policy: policyInput }), {
  policy: { allow_deferred: true },
});

type Needs = Pick<Parts, "custody" | "cursors">;

/** The operator's routes: tenants as a whole, nothing inside them. */
export function tenantsRoutes(parts: Needs): readonly Route[] {
  return [create, list, show, update, suspend, resume, freeze, unfreeze, remove].map((define) =>
    define(parts),
  );
}

function create({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants",
    operationId: "createTenant",
    tag: "tenants",
    summary: "Open a tenant with its first member",
    permission: operator,
    audit: ["tenant.created", "member.added"],
    problems: [],
    idempotency: "kept",
    input: z.object({ body: newTenant }),
    answer: json(201, "The tenant, and the id of its first member", createdTenant, {
      location: ({ tenant: { id } }) => `/api/v1/tenants/${id}`,
    }),
    handle: ({ caller, input: { body } }) => createTenant(custody.db, caller, body),
  });
}

function list({ custody, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/tenants",
    operationId: "listTenants",
    tag: "tenants",
    summary: "List all tenants",
    permission: operator,
    audit: { none: "it reads what the operator made, and nothing inside a tenant" },
    problems: [],
    idempotency: "none",
    input: z.object({ query: pageQuery }),
    answer: json(200, "A page of tenants", tenantList),
    handle: ({ input: { query } }) =>
      pageByAge(cursors, { tenantId: null, list: "tenants" }, query, (page) => listTenants(custody.db, page)),
  });
}

function show({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/tenants/:id",
    operationId: "showTenant",
    tag: "tenants",
    summary: "Show a tenant",
    permission: operator,
    audit: { none: "it reads what the operator made, and nothing inside a tenant" },
    problems: [],
    idempotency: "none",
    input: z.object({ params: idParams }),
    answer: json(200, "The tenant", tenant),
    handle: ({ input: { params } }) => showTenant(custody.db, params.id),
  });
}

function update({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/tenants/:id",
    operationId: "updateTenant",
    tag: "tenants",
    summary: "Change a tenant's name or limits",
    description: "Limits hold from the next request on, in other processes within two seconds.",
    permission: operator,
    audit: ["tenant.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: tenantUpdate }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { params, ifMatch: revision, body } }) =>
      updateTenant(custody.db, caller, params.id, body, revision),
  });
}

function suspend({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants/:id/suspend",
    operationId: "suspendTenant",
    tag: "tenants",
    summary: "Let nobody of a tenant in, and use none of its credentials",
    permission: operator,
    audit: ["tenant.suspended"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { params } }) => suspendTenant(custody.db, caller, params.id),
  });
}

function resume({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants/:id/resume",
    operationId: "resumeTenant",
    tag: "tenants",
    summary: "End a suspension",
    permission: operator,
    audit: ["tenant.resumed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { params } }) => resumeTenant(custody.db, caller, params.id),
  });
}

function freeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants/:id/freeze",
    operationId: "freezeTenantAsOperator",
    tag: "tenants",
    summary: "Stop every use of a tenant's credentials at once",
    description: "No member of the tenant lifts this freeze.",
    permission: operator,
    audit: ["tenant.frozen"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, body: reason.optional() }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { params, body } }) =>
      freezeTenantAsOperator(custody.db, caller, params.id, body?.reason ?? null),
  });
}

function unfreeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants/:id/unfreeze",
    operationId: "unfreezeTenantAsOperator",
    tag: "tenants",
    summary: "Lift every freeze of a tenant, whoever made it",
    permission: operator,
    audit: ["tenant.unfrozen"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { params } }) => unfreezeTenantAsOperator(custody.db, caller, params.id),
  });
}

function remove({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/tenants/:id",
    operationId: "deleteTenant",
    tag: "tenants",
    summary: "End a tenant for good",
    description:
      "Nothing of it can be used from now on. Its secrets, then its keys, then its rows are destroyed; its record stays.",
    permission: operator,
    audit: ["tenant.deleted"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(202, "The tenant, whose secrets are being destroyed", tenant),
    handle: ({ caller, input: { params } }) => deleteTenant(custody.db, caller, params.id),
  });
}
