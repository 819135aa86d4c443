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
import { operator } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id, idParams, ifMatch, listOf, text } from "../schemas.ts";
import { freezeRoutes, listRoute, showRoute, type Parts } from "./kinds.ts";
import { limits, tenant, tenantExample } from "./tenant.ts";

const tenantList = listOf("TenantList", tenant, tenantExample);

const newTenant = component(
  "NewTenant",
  z.strictObject({
    name: text(255),
    owner: z
      .strictObject({ issuer: text(255), subject: text(255) })
      .meta({ description: "The issuer and subject of the first member, who owns the tenant" }),
  }),
  { name: "Northwind Trading", owner: { issuer: "urn:keyhold:local", subject: "alice" } },
);

const createdTenant = component("CreatedTenant", z.object({ tenant, owner_id: id }), {
  tenant: tenantExample,
  owner_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
});

const tenantUpdate = component(
  "TenantUpdate",
  z.strictObject({ name: text(255).exactOptional(), limits: limits.exactOptional() }),
  { limits: { requests_per_minute: 600 } },
);

/** The operator's routes: tenants as a whole, and nothing inside them. */
export function tenantsRoutes(parts: Parts): readonly Route[] {
  return [create, list, show, update, suspend, resume, remove]
    .map((define) => define(parts))
    .concat(freezeAndUnfreeze(parts));
}

function create({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants",
    operationId: "createTenant",
    tag: "tenants",
    summary: "Create a tenant",
    permission: operator,
    audit: ["tenant.created", "member.added"],
    problems: [],
    idempotency: "kept",
    input: z.object({ body: newTenant }),
    answer: json(201, "The tenant, and the id of its owner", createdTenant, {
      location: ({ tenant: { id } }) => `/api/v1/tenants/${id}`,
    }),
    handle: ({ caller, input: { body } }) => createTenant(custody.db, caller, body),
  });
}

/** Why the operator's reads leave no event. */
const readsTenants = { none: "it reads what the operator created, and nothing inside a tenant" } as const;

function list({ custody, cursors }: Parts): Route {
  return listRoute(cursors, {
    list: "tenants",
    path: "/api/v1/tenants",
    operationId: "listTenants",
    tag: "tenants",
    summary: "List tenants",
    permission: operator,
    audit: readsTenants,
    answer: json(200, "A page of tenants", tenantList),
    read: (_caller, page) => listTenants(custody.db, page),
  });
}

function show({ custody }: Parts): Route {
  return showRoute({
    path: "/api/v1/tenants/:id",
    operationId: "showTenant",
    tag: "tenants",
    summary: "Show a tenant",
    permission: operator,
    audit: readsTenants,
    answer: json(200, "The tenant", tenant),
    show: (_caller, id) => showTenant(custody.db, id),
  });
}

function update({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/tenants/:id",
    operationId: "updateTenant",
    tag: "tenants",
    summary: "Update a tenant",
    description:
      "Changes the name or the limits. Limits apply from the next request, in other processes within two seconds.",
    permission: operator,
    audit: ["tenant.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: tenantUpdate }),
    answer: json(200, "The updated tenant", tenant),
    handle: ({ caller, input: { params, ifMatch: revision, body } }) =>
      updateTenant(custody.db, caller, params.id, body, revision),
  });
}

function suspend({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants/:id/suspend",
    operationId: "suspendTenant",
    tag: "tenants",
    summary: "Suspend a tenant",
    description: "Blocks all access to the tenant and every use of its credentials.",
    permission: operator,
    audit: ["tenant.suspended"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The updated tenant", tenant),
    handle: ({ caller, input: { params } }) => suspendTenant(custody.db, caller, params.id),
  });
}

function resume({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenants/:id/resume",
    operationId: "resumeTenant",
    tag: "tenants",
    summary: "Resume a tenant",
    permission: operator,
    audit: ["tenant.resumed"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(200, "The updated tenant", tenant),
    handle: ({ caller, input: { params } }) => resumeTenant(custody.db, caller, params.id),
  });
}

function remove({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "DELETE",
    path: "/api/v1/tenants/:id",
    operationId: "deleteTenant",
    tag: "tenants",
    summary: "Delete a tenant",
    description:
      "Blocks the tenant immediately and permanently. Keyhold then destroys its secrets, its encryption keys and its data. Its audit record remains.",
    permission: operator,
    audit: ["tenant.deleted"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams }),
    answer: json(202, "The tenant, whose secrets are being destroyed", tenant),
    handle: ({ caller, input: { params } }) => deleteTenant(custody.db, caller, params.id),
  });
}

function freezeAndUnfreeze({ custody }: Parts): readonly Route[] {
  return freezeRoutes({
    path: "/api/v1/tenants/:id",
    name: "TenantAsOperator",
    tag: "tenants",
    summary: { freeze: "Freeze a tenant", unfreeze: "Unfreeze a tenant" },
    description: {
      freeze:
        "Stops every use of the tenant's credentials immediately. No member of the tenant can lift this freeze.",
      unfreeze: "Lifts every freeze of the tenant, including those made by its members.",
    },
    permission: operator,
    audit: { freeze: ["tenant.frozen"], unfreeze: ["tenant.unfrozen"] },
    answer: json(200, "The updated tenant", tenant),
    freeze: (caller, id, reason) => freezeTenantAsOperator(custody.db, caller, id, reason),
    unfreeze: (caller, id) => unfreezeTenantAsOperator(custody.db, caller, id),
  });
}
