import { z } from "zod";
import { freezeTenant, showOwnTenant, unfreezeTenant, updatePolicy } from "../../tenants/tenant.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, freezes, id, ifMatch, reason, revision, time } from "../schemas.ts";
import { liftsFreezes, reads, type Parts } from "./kinds.ts";

const perMinute = z.int().min(1).max(100_000_000);

/** What the operator grants. The installation's setting applies to a limit that is left out. */
export const limits = z.strictObject({
  requests_per_minute: perMinute.exactOptional(),
  reveals_per_minute: perMinute.exactOptional(),
  invokes_per_minute: perMinute.exactOptional(),
});

const policy = z.strictObject({
  allow_withdraw: z.boolean().meta({ description: "Whether to accept credentials that can withdraw" }),
  allow_unknown_permissions: z
    .boolean()
    .meta({ description: "Whether to accept credentials whose permissions the venue does not report" }),
  allow_deferred: z
    .boolean()
    .meta({ description: "Whether to accept credentials without checking them with the venue first" }),
  allow_unproven: z
    .boolean()
    .meta({ description: "Whether to accept credentials of venues that cannot confirm a key" }),
  check_minutes: z
    .int()
    .min(15)
    .max(1440)
    .meta({ description: "Minutes between two health checks of an active credential" }),
});

export const tenantExample = {
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

const policyInput = z.strictObject({
  allow_withdraw: policy.shape.allow_withdraw.exactOptional(),
  allow_unknown_permissions: policy.shape.allow_unknown_permissions.exactOptional(),
  allow_deferred: policy.shape.allow_deferred.exactOptional(),
  allow_unproven: policy.shape.allow_unproven.exactOptional(),
  check_minutes: policy.shape.check_minutes.exactOptional(),
});

const policyUpdate = component("TenantPolicyUpdate", z.strictObject({ policy: policyInput }), {
  policy: { allow_deferred: true },
});

/** The caller's own tenant. */
export function tenantRoutes(parts: Parts): readonly Route[] {
  return [show, update, freeze, unfreeze].map((define) => define(parts));
}

function show({ custody }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/tenant",
    operationId: "showOwnTenant",
    tag: "tenant",
    summary: "Show your tenant",
    permission: holdersOf("tenant:read"),
    audit: { none: "it reads settings that every member may see" },
    input: z.object({}),
    answer: json(200, "The tenant", tenant),
    handle: ({ caller }) => showOwnTenant(custody.db, caller),
  });
}

function update({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/tenant",
    operationId: "updateTenantPolicy",
    tag: "tenant",
    summary: "Update the policy of your tenant",
    permission: holdersOf("tenant:write"),
    audit: ["tenant.updated"],
    problems: [],
    idempotency: "kept",
    input: z.object({ ifMatch, body: policyUpdate }),
    answer: json(200, "The updated tenant", tenant),
    handle: ({ caller, input: { ifMatch: revision, body } }) =>
      updatePolicy(custody.db, caller, body.policy, revision),
  });
}

function freeze({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenant/freeze",
    operationId: "freezeTenant",
    tag: "tenant",
    summary: "Freeze your tenant",
    description: "Stops every use of the tenant's credentials immediately.",
    permission: holdersOf("tenant:write"),
    audit: ["tenant.frozen"],
    problems: [],
    idempotency: "kept",
    input: z.object({ body: reason.optional() }),
    answer: json(200, "The updated tenant", tenant),
    handle: ({ caller, input: { body } }) => freezeTenant(custody.db, caller, body?.reason ?? null),
  });
}

function unfreeze({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/tenant/unfreeze",
    operationId: "unfreezeTenant",
    tag: "tenant",
    summary: "Unfreeze your tenant",
    description: liftsFreezes,
    permission: holdersOf("tenant:write"),
    audit: ["tenant.unfrozen", "freeze.lifted"],
    problems: [],
    idempotency: "kept",
    input: z.object({}),
    answer: json(200, "The updated tenant", tenant),
    handle: ({ caller }) => unfreezeTenant(custody.db, caller),
  });
}
