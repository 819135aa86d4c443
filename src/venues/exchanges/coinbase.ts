import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { asIs, type Ask, type KeyInformation, type KnownExchange } from "./exchange.ts";
import { flagOf, grant, grantingNames, withdrawal } from "./permissions.ts";

// docs.cdp.coinbase.com, Advanced Trade: "Get API Key Permissions", "List Orders", authentication, rate
// limits.

const flag = z.unknown().transform(flagOf).pipe(z.boolean());
const answer = z.looseObject({
  can_view: flag,
  can_trade: flag,
  can_transfer: flag,
  portfolio_uuid: z.string().optional(),
  portfolio_type: z.string().optional(),
});

const known = new Set([
  "can_view",
  "can_trade",
  "can_transfer",
  "can_receive",
  "portfolio_uuid",
  "portfolio_type",
]);

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const unknownWords = grantingNames(data, (name) => known.has(name));
  return {
    permissions: {
      read: "yes",
      trade: grant(data.can_trade),
      // One right for both: sending funds to another portfolio and out of Coinbase.
      withdraw: withdrawal(data.can_transfer, unknownWords),
      transfer: grant(data.can_transfer),
      boundIps: null,
      unknownWords,
    },
    expiresAt: null,
    account: {
      ...(data.portfolio_uuid === undefined ? {} : { id: data.portfolio_uuid }),
      ...(data.portfolio_type === undefined ? {} : { type: data.portfolio_type }),
    },
  };
}

const error = z.looseObject({ error: z.string(), message: z.string().optional() });
const errors = z.looseObject({
  errors: z.tuple([z.looseObject({ id: z.string(), message: z.string().optional() })]),
});
const refusedOrder = z.looseObject({
  success: z.literal(false),
  error_response: z.looseObject({ error: z.string().optional(), message: z.string().optional() }),
});

function errorOf(json: unknown): { code: string; text?: string } | undefined {
  const current = error.safeParse(json).data;
  if (current !== undefined) return described(current.error, current.message);
  const old = errors.safeParse(json).data;
  if (old !== undefined) return described(old.errors[0].id, old.errors[0].message);
  const order = refusedOrder.safeParse(json).data?.error_response;
  return order && described(order.error ?? "refused", order.message);
}

function described(code: string, text: string | undefined): { code: string; text?: string } {
  return { code, ...(text === undefined ? {} : { text }) };
}

const orders = z.looseObject({ orders: z.array(z.looseObject({})), has_next: z.boolean().optional() });

/** Orders cannot be asked for by the client's id, so the market's latest are looked through. */
async function find(ask: Ask, { clientOrderId, symbol }: { clientOrderId: string; symbol: string }) {
  const market = z.looseObject({ id: z.string() }).parse(await ask("market", symbol));
  const query = { product_ids: market.id, limit: 1000 };
  const page = orders.parse(await ask("v3PrivateGetBrokerageOrdersHistoricalBatch", query));
  const found = page.orders.find((order) => order["client_order_id"] === clientOrderId);
  if (found !== undefined) return ask("parseOrder", found, market);
  if (page.has_next === true) throw new RangeError("there are more orders than one page holds");
  return null;
}

/**
 * A plain text that covers an unknown key, a wrong signature, an address that is not on the key's list, and a
 * wrong clock.
 */
const unauthorized = ambiguous("key", "secret", "address", "clock");

export const coinbase: KnownExchange = {
  id: "coinbase",
  environments: { live: "live" },
  reports: { permissions: true, boundIps: false, expiry: false, account: true },
  risingNonce: false,
  probes: () => [
    {
      request: () => ({ api: ["v3", "private"], path: "brokerage/key_permissions", method: "GET" }),
      read,
    },
  ],
  dialect: {
    error: errorOf,
    codes: {
      unauthenticated: unauthorized,
      authentication_error: unauthorized,
      unauthorized,
      invalid_token: unauthorized,
      // The token is made for each request and lives two minutes: that it has expired says nothing of the
      // key.
      expired_token: "clock_skew",
      revoked_token: "revoked",
      PERMISSION_DENIED: "insufficient_permission",
      invalid_scope: "insufficient_permission",
      rate_limit_exceeded: "rate_limited",
      RESOURCE_EXHAUSTED: "rate_limited",
    },
    statuses: { 401: unauthorized },
  },
  clientOrderIds: { option: "client_order_id", format: asIs, find, absentCodes: [] },
  fields: {
    api_secret: {
      keys: { "P-256": "SEC 1 in PEM", Ed25519: "base64 of the seed and the public key" },
      otherwise: "base64",
    },
  },
  // ccxt's `transfer` takes portfolios, by their ids.
  requests: { tables: ["coinbase"], transferAccounts: null },
};
