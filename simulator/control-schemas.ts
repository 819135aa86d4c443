import { environments } from "./accounts.ts";
import { reasons } from "./refusal.ts";
import { signings, venueIds } from "./venue.ts";

export const text = { type: "string" } as const;
export const texts = { type: "array", items: text } as const;
const flag = { type: "boolean" } as const;
export const venue = { enum: venueIds } as const;
export const environment = { enum: environments } as const;
export const permissions = {
  type: "object",
  additionalProperties: false,
  properties: { read: flag, trade: flag, withdraw: flag, transfer: flag },
} as const;

export const keyOptions = {
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

export const accountOptions = {
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

export const faultSchema = {
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

export const scopeSchema = {
  type: "object",
  additionalProperties: false,
  properties: { times: { type: "integer", minimum: 1 }, path: text, method: text },
} as const;

/** A route whose body must be an object of these properties and no other. */
export const body = (required: readonly string[], properties: Readonly<Record<string, unknown>>) => ({
  schema: { body: { type: "object", additionalProperties: false, required, properties } },
});
