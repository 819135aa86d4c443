import type { FastifyInstance } from "fastify";
import fastify from "fastify";
import { type Environment, environments, type KeyPermissions, signings } from "./accounts.ts";
import type { AccountOptions, Control, KeyOptions } from "./control.ts";
import type { Fault, FaultScope } from "./faults.ts";
import { reasons } from "./refusal.ts";
import type { RequestFilter } from "./request-log.ts";
import { type VenueId, venueIds } from "./venue.ts";

type OfKey<T = unknown> = { Body: { venue: VenueId; apiKey: string } & T };

/**
 * The control API, for other processes: one POST per verb of `Control`, with its arguments as one JSON
 * object, and `GET /_control/hosts`. It listens on loopback and asks for no token: a program that reaches it
 * may also run the simulator.
 */
export function serveControl(
  control: Control,
  hosts: readonly Readonly<{ venue: VenueId; environment: Environment; url: string }>[],
): FastifyInstance {
  const app = fastify({
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, strict: false } },
  });
  app.get("/_control/hosts", () => hosts);
  serveKeys(app, control);
  serveAccounts(app, control);
  serveKeysOfAccounts(app, control);
  serveFaults(app, control);
  serveRequests(app, control);
  app.post("/_control/reset", (_request, reply) => {
    control.reset();
    return reply.code(204).send();
  });
  return app;
}

function serveKeys(app: FastifyInstance, control: Control): void {
  app.post<{ Body: { venue: VenueId } & KeyOptions }>(
    "/_control/add-key",
    body(["venue"], { venue, ...keyOptions }),
    ({ body: { venue, ...options } }) => control.addKey(venue, options),
  );
  app.post<OfKey>(
    "/_control/revoke-key",
    body(["venue", "apiKey"], { venue, apiKey: text }),
    ({ body: { venue, apiKey } }, reply) => {
      control.revokeKey(venue, apiKey);
      return reply.code(204).send();
    },
  );
  app.post<OfKey<{ at?: string }>>(
    "/_control/expire-key",
    body(["venue", "apiKey"], { venue, apiKey: text, at: { type: "string", format: "date-time" } }),
    ({ body: { venue, apiKey, at } }, reply) => {
      control.expireKey(venue, apiKey, at);
      return reply.code(204).send();
    },
  );
  app.post<OfKey<{ permissions: Partial<KeyPermissions> }>>(
    "/_control/set-permissions",
    body(["venue", "apiKey", "permissions"], { venue, apiKey: text, permissions }),
    ({ body: { venue, apiKey, permissions } }, reply) => {
      control.setPermissions(venue, apiKey, permissions);
      return reply.code(204).send();
    },
  );
  app.post<OfKey<{ boundIps: string[] }>>(
    "/_control/bind-ips",
    body(["venue", "apiKey", "boundIps"], { venue, apiKey: text, boundIps: texts }),
    ({ body: { venue, apiKey, boundIps } }, reply) => {
      control.bindIps(venue, apiKey, boundIps);
      return reply.code(204).send();
    },
  );
}

function serveAccounts(app: FastifyInstance, control: Control): void {
  app.post<{ Body: { venue: VenueId; account: string } & AccountOptions }>(
    "/_control/set-account",
    body(["venue", "account"], { venue, account: text, ...accountOptions }),
    ({ body: { venue, account, ...options } }, reply) => {
      control.setAccount(venue, account, options);
      return reply.code(204).send();
    },
  );
  app.post<{ Body: { venue: VenueId; account: string; environment?: Environment } }>(
    "/_control/account",
    body(["venue", "account"], { venue, account: text, environment }),
    ({ body: { venue, account, environment } }) => control.account(venue, account, environment),
  );
}

function serveKeysOfAccounts(app: FastifyInstance, control: Control): void {
  app.post<{ Body: { venue: VenueId; account: string; environment?: Environment } }>(
    "/_control/keys",
    body(["venue", "account"], { venue, account: text, environment }),
    ({ body: { venue, account, environment } }) => control.keys(venue, account, environment),
  );
}

function serveFaults(app: FastifyInstance, control: Control): void {
  app.post<{ Body: { venue: VenueId; fault: Fault; scope?: FaultScope } }>(
    "/_control/fail",
    body(["venue", "fault"], { venue, fault: faultSchema, scope: scopeSchema }),
    ({ body: { venue, fault, scope } }, reply) => {
      control.fail(venue, fault, scope);
      return reply.code(204).send();
    },
  );
  app.post<{ Body: { venue?: VenueId } }>(
    "/_control/clear-faults",
    body([], { venue }),
    ({ body: { venue } }, reply) => {
      control.clearFaults(venue);
      return reply.code(204).send();
    },
  );
  app.post<{ Body: { venue: VenueId; skewMs: number } }>(
    "/_control/set-clock-skew",
    body(["venue", "skewMs"], { venue, skewMs: { type: "integer" } }),
    ({ body: { venue, skewMs } }, reply) => {
      control.setClockSkew(venue, skewMs);
      return reply.code(204).send();
    },
  );
}

function serveRequests(app: FastifyInstance, control: Control): void {
  const filter = { venue, environment, method: text, path: text, keyId: text };
  app.post<{ Body: RequestFilter }>("/_control/requests", body([], filter), ({ body }) =>
    control.requests(body),
  );
  app.post<{ Body: RequestFilter }>("/_control/count-requests", body([], filter), ({ body }) => ({
    count: control.countRequests(body),
  }));
  app.post("/_control/clear-requests", (_request, reply) => {
    control.clearRequests();
    return reply.code(204).send();
  });
}

const text = { type: "string" } as const;
const texts = { type: "array", items: text } as const;
const flag = { type: "boolean" } as const;
const venue = { enum: venueIds } as const;
const environment = { enum: environments } as const;
const permissions = {
  type: "object",
  additionalProperties: false,
  properties: { read: flag, trade: flag, withdraw: flag, transfer: flag },
} as const;

const keyOptions = {
  apiKey: text,
  apiSecret: text,
  passphrase: text,
  permissions,
  extraWords: texts,
  boundIps: texts,
  expiresAt: { type: "string", format: "date-time" },
  lastNonce: { type: "string", pattern: "^\\d{1,20}$" },
  account: text,
  environment,
  label: text,
  signing: { enum: signings },
} as const;

const accountOptions = {
  environment,
  balances: { type: "object", additionalProperties: text },
  positions: {
    type: "array",
    items: {
      type: "object",
      additionalProperties: false,
      required: ["base", "side", "quantity", "entryPrice"],
      properties: { base: text, side: { enum: ["long", "short"] }, quantity: text, entryPrice: text },
    },
  },
  status: text,
  blocked: texts,
  locked: flag,
  unified: flag,
  parent: text,
  keyLimit: { type: "integer", minimum: 0 },
} as const;

const faultOf = (kinds: readonly string[], properties: Readonly<Record<string, unknown>> = {}) => ({
  type: "object",
  additionalProperties: false,
  properties: { kind: { enum: kinds }, ...properties },
});

const faultSchema = {
  type: "object",
  required: ["kind"],
  oneOf: [
    {
      ...faultOf(["answer"], {
        status: { type: "integer", minimum: 200, maximum: 599 },
        headers: { type: "object", additionalProperties: text },
        body: text,
      }),
      required: ["status", "body"],
    },
    { ...faultOf(["refuse"], { reason: { enum: reasons } }), required: ["reason"] },
    { ...faultOf(["huge"], { bytes: { type: "integer", minimum: 0 } }), required: ["bytes"] },
    faultOf(["drip"], { everyMs: { type: "integer", minimum: 1 } }),
    faultOf(["hang", "reset", "lose_answer"]),
  ],
} as const;

const scopeSchema = {
  type: "object",
  additionalProperties: false,
  properties: { times: { type: "integer", minimum: 1 }, path: text, method: text },
} as const;

/** A route whose body must be an object of these properties and no other. */
const body = (required: readonly string[], properties: Readonly<Record<string, unknown>>) => ({
  schema: { body: { type: "object", additionalProperties: false, required, properties } },
});
