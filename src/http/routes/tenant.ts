import { z } from "zod";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import type { Parts } from "./parts.ts";
import { freezeTenant, showOwnTenant, unfreezeTenant, updatePolicy } from "../../tenants/tenant.ts";
import { ifMatch, reason } from "../schemas.ts";
import { policyUpdate, tenant } from "./tenants.ts";

type Needs = Pick<Parts, "custody">;

/** The caller's own tenant. */
export function tenantRoutes(parts: Needs): readonly Route[] {
  return [show, update, freeze, unfreeze].map((define) => define(parts));
}

function show({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/tenant",
    operationId: "showOwnTenant",
    tag: "tenant",
    summary: "Show your tenant",
    permission: holdersOf("tenant:read"),
    audit: { none: "it reads settings that every member may know" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: json(200, "The tenant", tenant),
    handle: ({ caller }) => showOwnTenant(custody.db, caller),
  });
}

function update({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/tenant",
    operationId: "updateTenantPolicy",
    tag: "tenant",
    summary: "Decide which credentials your tenant takes",
    permission: holdersOf("tenant:write"),
    audit: ["tenant.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ ifMatch, body: policyUpdate }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { ifMatch: revision, body } }) =>
      updatePolicy(custody.db, caller, body.policy, revision),
  });
}

function freeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenant/freeze",
    operationId: "freezeTenant",
    tag: "tenant",
    summary: "Stop every use of the tenant's credentials at once",
    permission: holdersOf("tenant:write"),
    audit: ["tenant.frozen"],
    problems: [],
    idempotency: "kept",
    input: z.object({ body: reason.optional() }),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller, input: { body } }) => freezeTenant(custody.db, caller, body?.reason ?? null),
  });
}

function unfreeze({ custody }: Needs): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenant/unfreeze",
    operationId: "unfreezeTenant",
    tag: "tenant",
    summary: "Allow the use of the tenant's credentials again",
    description:
      "Lifts the freezes that your rank may lift: those of your own rank and of lower ones. The answer shows those that are left, by which it stays frozen. When you may lift none, the answer is `forbidden`.",
    permission: holdersOf("tenant:write"),
    audit: ["tenant.unfrozen", "freeze.lifted"],
    problems: [],
    idempotency: "kept",
    input: z.object({}),
    answer: json(200, "The tenant as it is now", tenant),
    handle: ({ caller }) => unfreezeTenant(custody.db, caller),
  });
}
