import { createPrivateKey, sign } from "node:crypto";
import { coinbase } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { header, method, to, url } from "./alter.ts";
import { clientOf, send } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

type Token = readonly [
  how: string,
  claims: Readonly<{ lasts?: number; iss?: string | undefined; nbf?: undefined; exp?: undefined }>,
  header: Readonly<{ alg?: string }>,
  status: number,
];

const tokens: readonly Token[] = [
  ["as the documents have it", {}, {}, 200],
  ["by the issuer's name of old", { iss: "coinbase-cloud" }, {}, 200],
  ["for less than two minutes", { lasts: 30 }, {}, 200],
  ["by another issuer", { iss: "cdp-api" }, {}, 401],
  ["by no issuer", { iss: undefined }, {}, 401],
  ["for an hour", { lasts: 3600 }, {}, 401],
  ["for a second too long", { lasts: 121 }, {}, 401],
  ["without a beginning", { nbf: undefined }, {}, 401],
  ["without an end", { exp: undefined }, {}, 401],
  ["with another algorithm named", {}, { alg: "HS256" }, 401],
];

/** One bit of one part of the token, which stays well formed. */
const flipIn = (part: 1 | 2) => (authorization: string) => {
  const parts = authorization.split(".");
  const bytes = Buffer.from(parts[part] ?? "", "base64url");
  const at = bytes.indexOf('"nbf":') + 7;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  return parts.with(part, bytes.toString("base64url")).join(".");
};

// The token covers method, host and path; query and body can be altered by whoever sees it within two minutes.
venueSuite({
  venue: "coinbase",
  environment: "live",
  venueClass: coinbase,
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.v3PrivateGetBrokerageKeyPermissions(),
  find: async (exchange, clientOrderId) => {
    const orders = await exchange.fetchOpenOrders("BTC/USDT");
    return orders.find((order) => order.clientOrderId === clientOrderId) ?? {};
  },
  clientOrderId: (n) => `keyhold-${n}`,
  orderParams: (id) => ({ client_order_id: id }),
  duplicates: "answered",
  alterInspect: {
    path: url("key_permissions", to("accounts")),
    claims: header("authorization", flipIn(1)),
    signature: header("authorization", flipIn(2)),
  },
  alterOrder: {
    path: url(/orders$/, to("orders/batch_cancel")),
    claims: header("authorization", flipIn(1)),
    signature: header("authorization", flipIn(2)),
  },
  otherKey: (other) =>
    header("authorization", (authorization) => {
      const parts = authorization.split(".");
      const renamed = parts.slice(0, 2).map((part) => {
        const text = Buffer.from(part.replace("Bearer ", ""), "base64url").toString();
        const fields: unknown = JSON.parse(text, (name, value: unknown) =>
          name === "kid" || name === "sub" ? other.apiKey : value,
        );
        return Buffer.from(JSON.stringify(fields)).toString("base64url");
      });
      return `Bearer ${[...renamed, parts[2]].join(".")}`;
    }),
  refusals: [
    ["unknown_key", 401, "Unauthorized"],
    ["bad_signature", 401, "Unauthorized"],
    ["expired_key", 401, "Unauthorized"],
    ["ip_not_allowed", 401, "Unauthorized"],
    ["clock_skew", 401, "Unauthorized"],
    ["account_locked", 403, { error: "PERMISSION_DENIED" }],
    ["rate_limited", 429, { errors: [{ id: "rate_limit_exceeded" }] }],
    ["unavailable", 503, { errors: [{ id: "internal_server_error" }] }],
  ],
});

describe("coinbase", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("tells what the key may do in its own words, to any working key", async () => {
    const key = simulator.control.addKey("coinbase", {
      permissions: { read: false, transfer: true },
      extraWords: ["can_teleport"],
    });
    const { exchange } = clientOf(coinbase, simulator, key);
    expect(await exchange.v3PrivateGetBrokerageKeyPermissions()).toMatchObject({
      can_view: false,
      can_trade: true,
      can_transfer: true,
      can_teleport: true,
      portfolio_type: "DEFAULT",
    });
    await expect(exchange.v3PrivateGetBrokerageAccounts()).rejects.toThrow("PERMISSION_DENIED");
  });

  test("accepts keys that sign with ed25519, and no other key's signature", async () => {
    const [key, other] = [
      simulator.control.addKey("coinbase", { signing: "ed25519" }),
      simulator.control.addKey("coinbase", { signing: "ed25519" }),
    ];
    expect(key.apiSecret).toHaveLength(88);
    const { exchange } = clientOf(coinbase, simulator, key);
    expect(await exchange.v3PrivateGetBrokerageKeyPermissions()).toMatchObject({ can_view: true });
    const stranger = clientOf(coinbase, simulator, { ...key, apiSecret: other.apiSecret });
    await expect(stranger.exchange.v3PrivateGetBrokerageKeyPermissions()).rejects.toThrow("401");
  });

  test.each(tokens)("answers a token made %s", async (_how, { lasts = 120, ...others }, head, status) => {
    const key = simulator.control.addKey("coinbase");
    const now = Math.floor(Date.now() / 1000);
    const uri = "GET api.coinbase.com/api/v3/brokerage/accounts";
    const told = { iss: "cdp", sub: key.apiKey, nbf: now, exp: now + lasts, uri, ...others };
    const token = [{ alg: "ES256", typ: "JWT", kid: key.apiKey, nonce: "f00d", ...head }, told]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const ieee = { key: createPrivateKey(key.apiSecret), dsaEncoding: "ieee-p1363" } as const;
    const signature = sign("sha256", Buffer.from(token), ieee).toString("base64url");
    const answer = await fetch(`${simulator.url("coinbase")}/api/v3/brokerage/accounts`, {
      headers: { authorization: `Bearer ${token}.${signature}` },
    });
    expect(answer.status).toBe(status);
  });

  test("lists fills, and takes no order to be called so", async () => {
    const { exchange } = clientOf(coinbase, simulator, simulator.control.addKey("coinbase"));
    const { id } = await exchange.createOrder("ETH/USDT", "market", "sell", 2);
    await exchange.createOrder("ETH/USDT", "limit", "sell", 2, 2600);
    const trades = await exchange.fetchMyTrades("ETH/USDT");
    expect(trades).toMatchObject([{ order: id, amount: 2, price: 2500, side: "sell" }]);
    expect(await exchange.fetchMyTrades("BTC/USDT")).toEqual([]);
  });

  test("refuses a token that was made for another method", async () => {
    const client = clientOf(coinbase, simulator, simulator.control.addKey("coinbase"));
    const sent = await client.signed((exchange) => exchange.v3PrivateGetBrokerageAccounts());
    const asOrder = url("accounts", to("orders"));
    await send(method("POST")(asOrder(sent)));
    await send(sent);
    expect(simulator.control.requests().map(({ method, refusal }) => [method, refusal])).toEqual([
      ["POST", "bad_signature"],
      ["GET", null],
    ]);
  });

  test("accepts a token that names the host that was really asked", async () => {
    const key = simulator.control.addKey("coinbase");
    const rest = simulator.url("coinbase");
    const { exchange } = clientOf(coinbase, simulator, key, { urls: { api: { rest } } });
    expect(await exchange.v3PrivateGetBrokerageKeyPermissions()).toMatchObject({ can_view: true });
    const elsewhere = clientOf(coinbase, simulator, key, { urls: { api: { rest: "https://203.0.113.7" } } });
    await expect(elsewhere.exchange.v3PrivateGetBrokerageKeyPermissions()).rejects.toThrow("401");
  });

  test.each(["", "Bearer", "Bearer x.y", "Bearer a.b.c", "Bearer e30.e30.AA", "Basic e30.e30.AA"])(
    "refuses %j as a token",
    async (authorization) => {
      const answer = await fetch(`${simulator.url("coinbase")}/api/v3/brokerage/accounts`, {
        headers: { authorization },
      });
      expect([answer.status, await answer.text()]).toEqual([401, "Unauthorized\n"]);
    },
  );

  test("refuses with status 200 an order that the balance does not cover", async () => {
    const { exchange } = clientOf(coinbase, simulator, simulator.control.addKey("coinbase"));
    await expect(exchange.createOrder("BTC/USDT", "market", "sell", 100)).rejects.toThrow(
      "INSUFFICIENT_FUND",
    );
    expect(simulator.control.requests({ method: "POST" })).toMatchObject([
      { status: 200, refusal: "insufficient_funds" },
    ]);
  });
});
