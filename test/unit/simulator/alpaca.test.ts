import { alpaca } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey } from "../../../simulator/control.ts";
import { startSimulator } from "../../../simulator/simulator.ts";
import type { Simulator } from "../../../simulator/simulator.ts";
import { header, to } from "./alter.ts";
import { venueSuite } from "./venue-suite.ts";

const unauthorized = { message: "unauthorized." };

// Nothing is signed here: method, path, query, body and time can be altered by whoever holds the two headers.
venueSuite({
  venue: "alpaca",
  environment: "paper",
  venueClass: alpaca,
  symbol: "BTC/USD",
  inspect: (exchange) => exchange.traderPrivateGetV2Account(),
  find: async (exchange, clientOrderId) => {
    const orders = await exchange.fetchOrders("BTC/USD");
    return orders.find((order) => order.clientOrderId === clientOrderId) ?? {};
  },
  clientOrderId: (n) => `keyhold-${n}`,
  alterInspect: { secret: header("apca-api-secret-key", (secret) => `${secret.slice(0, -1)}!`) },
  alterOrder: { secret: header("apca-api-secret-key", to("")) },
  otherKey: (other) => header("apca-api-key-id", to(other.apiKey)),
  refusals: [
    ["unknown_key", 401, unauthorized],
    ["bad_signature", 401, unauthorized],
    ["expired_key", 401, unauthorized],
    ["ip_not_allowed", 403, { message: "forbidden." }],
    ["insufficient_permission", 403, { code: 40310000 }],
    ["rate_limited", 429, { code: 42910000 }],
    ["unavailable", 503, {}],
  ],
});

describe("alpaca", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const ask = (key: IssuedKey, path: string, init: { method?: string; body?: unknown } = {}) =>
    fetch(simulator.url("alpaca", key.environment) + path, {
      method: init.method ?? "GET",
      headers: {
        "APCA-API-KEY-ID": key.apiKey,
        "APCA-API-SECRET-KEY": key.apiSecret,
        "content-type": "application/json",
      },
      ...(init.body !== undefined && { body: JSON.stringify(init.body) }),
    });

  test("shows an active account with money as text", async () => {
    const key = simulator.control.addKey("alpaca");
    expect(await (await ask(key, "/v2/account")).json()).toMatchObject({
      status: "ACTIVE",
      cash: "100000",
      buying_power: "100000",
      trading_blocked: false,
    });
  });

  test("shows the flags of a restricted account and refuses its orders", async () => {
    const key = simulator.control.addKey("alpaca", { account: "restricted" });
    simulator.control.setAccount("alpaca", "restricted", {
      status: "ACTION_REQUIRED",
      blocked: ["trading_blocked"],
    });
    expect(await (await ask(key, "/v2/account")).json()).toMatchObject({
      status: "ACTION_REQUIRED",
      trading_blocked: true,
      account_blocked: false,
    });
    const order = { symbol: "AAPL", side: "buy", type: "market", qty: "1", time_in_force: "day" };
    expect((await ask(key, "/v2/orders", { method: "POST", body: order })).status).toBe(403);
  });

  test("does not know a paper key on the live host", async () => {
    const key = simulator.control.addKey("alpaca", { environment: "paper" });
    expect((await ask(key, "/v2/account")).status).toBe(200);
    expect((await ask({ ...key, environment: "live" }, "/v2/account")).status).toBe(401);
  });

  test("buys a share, shows it as a position and finds the order by its client order id", async () => {
    const key = simulator.control.addKey("alpaca");
    const order = {
      symbol: "AAPL",
      side: "buy",
      type: "market",
      qty: 2,
      time_in_force: "day",
      client_order_id: "share",
    };
    expect((await ask(key, "/v2/orders", { method: "POST", body: order })).status).toBe(200);
    const found = await (await ask(key, "/v2/orders:by_client_order_id?client_order_id=share")).json();
    expect(found).toMatchObject({ client_order_id: "share", status: "filled", filled_qty: "2" });
    expect(await (await ask(key, "/v2/positions")).json()).toMatchObject([{ symbol: "AAPL", qty: "2" }]);
    const again = await ask(key, "/v2/orders", { method: "POST", body: order });
    expect([again.status, await again.json()]).toMatchObject([
      422,
      { message: "client_order_id must be unique" },
    ]);
    expect((await ask(key, "/v2/orders:by_client_order_id?client_order_id=other")).status).toBe(404);
  });
});
