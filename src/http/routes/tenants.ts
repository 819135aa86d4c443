import { z } from "zod";
import { json } from "../answer.ts";
import { pageByAge } from "../paging.ts";
import { operator } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { idParams, ifMatch, pageQuery, reason } from "../schemas/common.ts";
import { createdTenant, newTenant, tenant, tenantList, tenantUpdate } from "../schemas/tenants.ts";
import type { Parts } from "./parts.ts";
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
