import { z } from "zod";

/**
 * What the command line reads of the answers of the API. Everything else passes through to `--json`, so that a newer service
 * does not break an older command line.
 */
const texts = z.array(z.string());

const freezes = z
  .array(z.looseObject({ rank: z.string(), reason: z.string().nullable(), frozen_at: z.string() }))
  .default([]);
export type Freezes = z.output<typeof freezes>;

export const me = z.looseObject({
  kind: z.string(),
  tenant_id: z.string().nullable(),
  member_id: z.string().nullable(),
  role: z.string().nullable(),
  scopes: texts,
  agent: z.boolean(),
});

export const tenant = z.looseObject({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  frozen: z.boolean(),
  freezes,
  policy: z.record(z.string(), z.unknown()),
  created_at: z.string(),
});
export type Tenant = z.output<typeof tenant>;

export const member = z.looseObject({
  id: z.string(),
  issuer: z.string(),
  subject: z.string(),
  role: z.string(),
  status: z.string(),
});
export type Member = z.output<typeof member>;

export const account = z.looseObject({
  id: z.string(),
  name: z.string(),
  owner_id: z.string(),
  owner_subject: z.string().nullish(),
  active: z.boolean(),
  frozen: z.boolean(),
  freezes,
});
export type Account = z.output<typeof account>;

export const apiKey = z.looseObject({
  id: z.string(),
  name: z.string(),
  prefix: z.string(),
  scopes: texts,
  agent: z.boolean(),
  credentials: texts.nullable().default(null),
  accounts: texts.nullable().default(null),
  networks: texts.nullable().default(null),
  expires_at: z.string().nullable(),
  made_without_end: z.boolean().default(false),
  revoked_at: z.string().nullable(),
  last_used_at: z.string().nullish(),
  member_subject: z.string().nullish(),
});
export type ApiKey = z.output<typeof apiKey>;

/** The key is told once: not again to a request that is repeated. */
export const createdApiKey = apiKey.extend({ key: z.string().nullable() });

export const venue = z.looseObject({
  id: z.string(),
  name: z.string(),
  environments: texts,
  fields: texts,
  provable: z.boolean().default(true),
  operations: texts,
  transfer_accounts: texts.default([]),
  egress_addresses: texts,
});
export type Venue = z.output<typeof venue>;

export const operation = z.looseObject({
  name: z.string(),
  class: z.string(),
  params: z.looseObject({
    properties: z
      .record(z.string(), z.looseObject({ type: z.unknown().optional(), enum: z.unknown().optional() }))
      .default({}),
    required: texts.default([]),
  }),
});
export type Operation = z.output<typeof operation>;

export const permissions = z.looseObject({
  read: z.string(),
  trade: z.string(),
  withdraw: z.string(),
  transfer: z.string(),
});
export type Permissions = z.output<typeof permissions>;

export const credential = z.looseObject({
  id: z.string(),
  account_id: z.string(),
  venue: z.string(),
  environment: z.string(),
  label: z.string(),
  status: z.string(),
  frozen: z.boolean(),
  freezes,
  permissions: permissions.nullable(),
  policy: z.looseObject({ allow: texts, reveal: z.boolean() }),
  health: z.string(),
  health_message: z.string().nullable(),
  expires_at: z.string().nullable(),
  last_validated_at: z.string().nullable(),
  revision: z.number(),
});
export type Credential = z.output<typeof credential>;

export const validation = z.looseObject({
  is_valid: z.boolean().nullable(),
  outcome: z.string(),
  message: z.string(),
  permissions: permissions.nullable(),
  account_type: z.string().nullable(),
  account_status: z.string().nullable(),
});
export type Validation = z.output<typeof validation>;

export const invoked = z.looseObject({
  outcome: z.string(),
  result: z.unknown(),
  message: z.string().nullable(),
  client_order_id: z.string().nullable(),
});
export type Invoked = z.output<typeof invoked>;

export const event = z.looseObject({
  seq: z.number(),
  at: z.string(),
  event: z.string(),
  outcome: z.string(),
  detail: z.record(z.string(), z.unknown()),
  actor_subject: z.string().nullish(),
  actor_api_key: z.string().nullish(),
});
export type Event = z.output<typeof event>;

export const webhook = z.looseObject({
  id: z.string(),
  url: z.string(),
  description: z.string(),
  events: texts,
  status: z.string(),
  disabled_reason: z.string().nullable(),
  failing_since: z.string().nullable(),
  previous_secret_until: z.string().nullable(),
  revision: z.number(),
});
export type Webhook = z.output<typeof webhook>;

/** The secret is told once: not again to a request that is repeated. */
export const webhookWithSecret = webhook.extend({ secret: z.string().nullable() });

export const webhookDelivery = z.looseObject({
  id: z.string(),
  message_id: z.string(),
  event: z.string(),
  state: z.string(),
  attempts: z.number(),
  outcome: z.string().nullable(),
  due_at: z.string().nullable(),
});
export type WebhookDelivery = z.output<typeof webhookDelivery>;

export const webhookDeliveryLog = webhookDelivery.extend({
  payload: z.string(),
  log: z.array(z.looseObject({ at: z.string(), outcome: z.string(), status: z.number().nullable() })),
});
export type WebhookDeliveryLog = z.output<typeof webhookDeliveryLog>;

/** One page of a list. */
export function pageOf<T>(item: z.ZodType<T>) {
  return z.looseObject({ items: z.array(item), next_cursor: z.string().nullable(), count: z.number() });
}

export const rotation = z.looseObject({
  id: z.string(),
  state: z.string(),
  from_version: z.number(),
  to_version: z.number(),
  overlap_until: z.string(),
  fallbacks: z.number(),
});
export type Rotation = z.output<typeof rotation>;

export const rotated = z.looseObject({ credential, rotation });

export const versions = z.looseObject({
  items: z.array(
    z.looseObject({
      version: z.number(),
      state: z.string(),
      store: z.string(),
      created_at: z.string(),
      destroyed_at: z.string().nullable(),
      uses: z.number().nullable(),
    }),
  ),
  rotation: rotation.nullable(),
  old_version_uses: z.array(
    z.looseObject({
      actor: z.record(z.string(), z.unknown()),
      how: z.string(),
      count: z.number(),
      last_at: z.string(),
      has_new: z.boolean(),
    }),
  ),
});
export type Versions = z.output<typeof versions>;

export const rotationSchedule = z.looseObject({
  parent_credential_id: z.string().nullable(),
  every_days: z.number(),
  next_at: z.string(),
  failures: z.number(),
  last_failure: z.looseObject({ reason: z.string(), message: z.string(), at: z.string() }).nullable(),
  under_way: z.looseObject({ stage: z.string(), note: z.string() }).nullable(),
});
export type RotationSchedule = z.output<typeof rotationSchedule>;

export const credentialHealth = z.looseObject({
  status: z.string(),
  health: z.string(),
  health_message: z.string().nullable(),
  last_validated_at: z.string().nullable(),
  next_check_at: z.string().nullable(),
  expires_at: z.string().nullable(),
  venue_rule: z
    .looseObject({ days: z.number(), counted_from: z.string(), applies: z.string(), source: z.string() })
    .nullable(),
  estimated_expires_at: z.string().nullable(),
  checks: z.array(z.looseObject({ at: z.string(), outcome: z.string() })),
});
export type CredentialHealth = z.output<typeof credentialHealth>;

export const healthSummary = z.looseObject({
  items: z.array(
    z.looseObject({ venue: z.string(), status: z.string(), health: z.string(), count: z.number() }),
  ),
  checks: z.looseObject({ count: z.number(), refused: z.number(), undecided: z.number() }),
  oldest_due_at: z.string().nullable(),
  expiring: z.number(),
});
export type HealthSummary = z.output<typeof healthSummary>;
