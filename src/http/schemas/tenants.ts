import { z } from "zod";
import { component, listOf } from "../components.ts";
import { freezes, id, revision, text, time } from "./common.ts";

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
