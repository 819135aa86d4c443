import { z } from "zod";
import type { Client, Method, Sent } from "./client.ts";
import type { SecretValues } from "./fields.ts";
import * as shapes from "./shapes.ts";

type Query = NonNullable<Sent["query"]>;
export type Policy = Readonly<{ allow?: readonly string[]; reveal?: boolean }>;

export type Registration = Readonly<{
  account_id: string;
  venue: string;
  environment: string;
  label?: string;
  policy?: Policy;
  expires_at?: string;
  validation?: "deferred";
  secret: SecretValues;
}>;

export type CredentialUpdate = Readonly<{
  label?: string;
  active?: boolean;
  expires_at?: string | null;
  policy?: Policy;
}>;

export type NewRotationSchedule = Readonly<{
  parent_credential_id: string | null;
  every_days: number;
  next_at?: string;
}>;
export type NewRotation = Readonly<{
  secret: SecretValues;
  overlap_seconds?: number;
  allow_wider?: boolean;
}>;

export type WebhookUpdate = Readonly<{
  url?: string;
  events?: readonly string[];
  description?: string;
  status?: "active" | "disabled";
}>;

export type Api = ReturnType<typeof createApi>;

/** The routes of the API that the command line uses, each under the name of its verb. */
export function createApi(client: Client) {
  return {
    me: () => client.json(shapes.me, "GET", "/me"),
    tenants: tenants(client),
    members: members(client),
    accounts: accounts(client),
    apiKeys: apiKeys(client),
    venues: () => client.json(shapes.pageOf(shapes.venue), "GET", "/venues"),
    operations: (venue: string) =>
      client.json(shapes.pageOf(shapes.operation), "GET", `${at("/venues", venue)}/operations`),
    credentials: { ...credentials(client), ...uses(client) },
    healthSummary: () => client.json(shapes.healthSummary, "GET", "/health"),
    webhooks: webhooks(client),
    audit: {
      list: (query: Query) => client.json(shapes.pageOf(shapes.event), "GET", "/audit/events", { query }),
      export: () => client.stream("/audit/export"),
    },
  };
}

function tenants({ json }: Client) {
  const one = (method: Method, path: string, body?: object) =>
    json(shapes.tenant, method, path, body === undefined ? {} : { body });
  return {
    create: (body: Readonly<{ name: string; owner: Readonly<{ issuer: string; subject: string }> }>) =>
      json(z.looseObject({ tenant: shapes.tenant, owner_id: z.string() }), "POST", "/tenants", { body }),
    list: (query: Query) => json(shapes.pageOf(shapes.tenant), "GET", "/tenants", { query }),
    show: (id: string) => one("GET", at("/tenants", id)),
    own: () => one("GET", "/tenant"),
    suspend: (id: string) => one("POST", `${at("/tenants", id)}/suspend`),
    resume: (id: string) => one("POST", `${at("/tenants", id)}/resume`),
    freeze: (id: string | undefined, body: object) => one("POST", `${tenantAt(id)}/freeze`, body),
    unfreeze: (id: string | undefined) => one("POST", `${tenantAt(id)}/unfreeze`),
  };
}

/** One of all tenants, for the operator, or the caller's own. */
function tenantAt(id: string | undefined): string {
  return id === undefined ? "/tenant" : at("/tenants", id);
}

function members({ json }: Client) {
  return {
    add: (body: Readonly<{ issuer: string; subject: string; role: string }>) =>
      json(shapes.member, "POST", "/members", { body }),
    list: (query: Query) => json(shapes.pageOf(shapes.member), "GET", "/members", { query }),
  };
}

function accounts({ json }: Client) {
  const one = (method: Method, path: string, body?: object) =>
    json(shapes.account, method, path, body === undefined ? {} : { body });
  return {
    create: (body: Readonly<{ name: string; owner_id?: string }>) => one("POST", "/accounts", body),
    list: (query: Query) => json(shapes.pageOf(shapes.account), "GET", "/accounts", { query }),
    show: (id: string) => one("GET", at("/accounts", id)),
    freeze: (id: string, body: object) => one("POST", `${at("/accounts", id)}/freeze`, body),
    unfreeze: (id: string) => one("POST", `${at("/accounts", id)}/unfreeze`),
  };
}

function apiKeys({ json, empty }: Client) {
  return {
    create: (
      body: Readonly<{
        name: string;
        scopes: readonly string[];
        agent?: boolean;
        expires_at?: string;
        credentials?: readonly string[];
        accounts?: readonly string[];
        networks?: readonly string[];
      }>,
    ) => json(shapes.createdApiKey, "POST", "/api-keys", { body }),
    list: (query: Query) => json(shapes.pageOf(shapes.apiKey), "GET", "/api-keys", { query }),
    revoke: (id: string) => empty("DELETE", at("/api-keys", id)),
  };
}

function credentials({ json, empty }: Client) {
  const one = (method: Method, path: string, sent?: Sent) => json(shapes.credential, method, path, sent);
  return {
    register: (body: Registration) => one("POST", "/credentials", { body }),
    list: (query: Query) => json(shapes.pageOf(shapes.credential), "GET", "/credentials", { query }),
    show: (id: string) => one("GET", at("/credentials", id)),
    update: (id: string, revision: number, body: CredentialUpdate) =>
      one("PATCH", at("/credentials", id), { body, headers: ifMatch(revision) }),
    replace: (id: string, revision: number, secret: SecretValues) =>
      one("PUT", `${at("/credentials", id)}/secret`, { body: { secret }, headers: ifMatch(revision) }),
    freeze: (id: string, body: object) => one("POST", `${at("/credentials", id)}/freeze`, { body }),
    unfreeze: (id: string) => one("POST", `${at("/credentials", id)}/unfreeze`),
    rotate: (id: string, revision: number, body: NewRotation) =>
      json(shapes.rotated, "POST", `${at("/credentials", id)}/rotate`, { body, headers: ifMatch(revision) }),
    rollBack: (id: string, revision: number) =>
      json(shapes.rotated, "POST", `${at("/credentials", id)}/rotation/rollback`, {
        headers: ifMatch(revision),
      }),
    finishRotation: (id: string, body: Readonly<{ leave_key: boolean }>) =>
      json(shapes.rotation, "POST", `${at("/credentials", id)}/rotation/finish`, { body }),
    scheduleRotation: (id: string, body: NewRotationSchedule) =>
      json(shapes.rotationSchedule, "PUT", `${at("/credentials", id)}/rotation/schedule`, { body }),
    rotationSchedule: (id: string) =>
      json(shapes.rotationSchedule, "GET", `${at("/credentials", id)}/rotation/schedule`),
    unscheduleRotation: (id: string) => empty("DELETE", `${at("/credentials", id)}/rotation/schedule`),
    versions: (id: string) => json(shapes.versions, "GET", `${at("/credentials", id)}/versions`),
    health: (id: string) => json(shapes.credentialHealth, "GET", `${at("/credentials", id)}/health`),
    revoke: (id: string) => one("POST", `${at("/credentials", id)}/revoke`),
    delete: (id: string) => empty("DELETE", at("/credentials", id)),
  };
}

function uses({ json, bytes }: Client) {
  return {
    validate: (id: string) => json(shapes.validation, "POST", `${at("/credentials", id)}/validate`),
    invoke: (
      id: string,
      body: Readonly<{ operation: string; params: Readonly<Record<string, unknown>> }>,
      idempotencyKey: string | undefined,
    ) => {
      const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
      return json(shapes.invoked, "POST", `${at("/credentials", id)}/invoke`, { body, headers });
    },
    reveal: (id: string, reason: string) =>
      bytes("POST", `${at("/credentials", id)}/reveal`, { body: { reason } }),
  };
}

function webhooks({ json, empty }: Client) {
  const one = (method: Method, path: string, sent?: Sent) => json(shapes.webhook, method, path, sent);
  const delivery = (method: Method, path: string) => json(shapes.webhookDelivery, method, path);
  const deliveries = "/webhooks/deliveries";
  return {
    create: (body: Readonly<{ url: string; events?: readonly string[]; description?: string }>) =>
      json(shapes.webhookWithSecret, "POST", "/webhooks", { body }),
    list: (query: Query) => json(shapes.pageOf(shapes.webhook), "GET", "/webhooks", { query }),
    show: (id: string) => one("GET", at("/webhooks", id)),
    update: (id: string, revision: number, body: WebhookUpdate) =>
      one("PATCH", at("/webhooks", id), { body, headers: ifMatch(revision) }),
    rotateSecret: (id: string, revision: number, body: Readonly<{ overlap_seconds?: number }>) => {
      const sent = { body, headers: ifMatch(revision) };
      return json(shapes.webhookWithSecret, "POST", `${at("/webhooks", id)}/rotate-secret`, sent);
    },
    delete: (id: string) => empty("DELETE", at("/webhooks", id)),
    test: (id: string) => delivery("POST", `${at("/webhooks", id)}/test`),
    deliveries: (query: Query) => json(shapes.pageOf(shapes.webhookDelivery), "GET", deliveries, { query }),
    delivery: (id: string) => json(shapes.webhookDeliveryLog, "GET", at(deliveries, id)),
    replay: (id: string) => delivery("POST", `${at(deliveries, id)}/replay`),
  };
}

function at(collection: string, id: string): string {
  return `${collection}/${encodeURIComponent(id)}`;
}

/** An ETag of the API is the revision in quotes. */
function ifMatch(revision: number) {
  return { "if-match": `"${revision}"` };
}
