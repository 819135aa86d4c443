import { alpaca } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { IssuedKey } from "../../../simulator/control.ts";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { header, to } from "./alter.ts";
import { venueSuite } from "./venue-suite.ts";

const ids = z.array(z.object({ client_order_id: z.string() }));
const named = z.looseObject({ id: z.string() });

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

  const order = (key: IssuedKey, more: Readonly<Record<string, unknown>>) =>
    ask(key, "/v2/orders", {
      method: "POST",
      body: { symbol: "AAPL", side: "buy", type: "limit", qty: "3", limit_price: "150", ...more },
    });

  test.each([
    [{ time_in_force: "fok" }, { status: "canceled", time_in_force: "fok", filled_qty: "0" }],
    [{ time_in_force: "ioc" }, { status: "canceled", time_in_force: "ioc", filled_qty: "0" }],
    [
      { time_in_force: "fok", limit_price: "210" },
      { status: "filled", time_in_force: "fok" },
    ],
    [{ time_in_force: "gtc" }, { status: "new", time_in_force: "gtc" }],
    [
      { time_in_force: "day", qty: "0.5" },
      { status: "new", time_in_force: "day" },
    ],
    [
      { time_in_force: "day", order_class: "simple" },
      { status: "new", order_class: "" },
    ],
  ])("places a share's order with %o", async (more, expected) => {
    const answer = await order(simulator.control.addKey("alpaca"), more);
    expect([answer.status, await answer.json()]).toMatchObject([200, expected]);
  });

  test.each([
    { time_in_force: "opg" },
    {},
    { time_in_force: "gtc", qty: "0.5" },
    { time_in_force: "gtc", order_class: "oco" },
    { time_in_force: "gtc", stop_loss: { stop_price: "140" } },
    { time_in_force: "fok", symbol: "ETH/USD", limit_price: "2400" },
  ])("refuses a share's order with %o, and places nothing", async (more) => {
    const key = simulator.control.addKey("alpaca");
    expect((await order(key, more)).status).toBe(422);
    expect(await (await ask(key, "/v2/orders?status=all")).json()).toEqual([]);
  });

  test("lists orders from the newest, as many as are asked for, and those of the time and side asked for", async () => {
    const key = simulator.control.addKey("alpaca");
    for (const [client_order_id, side] of [
      ["one", "buy"],
      ["two", "buy"],
      ["three", "buy"],
    ]) {
      await order(key, { client_order_id, side, time_in_force: "day" });
    }
    const list = async (query: string) => {
      const answer = await ask(key, `/v2/orders?${query}`);
      return ids.parse(await answer.json()).map(({ client_order_id: id }) => id);
    };
    expect(await list("")).toEqual(["three", "two", "one"]);
    expect(await list("limit=2")).toEqual(["three", "two"]);
    expect(await list("direction=asc&limit=1")).toEqual(["one"]);
    expect(await list("side=sell")).toEqual([]);
    expect(await list("until=2001-01-01T00:00:00Z")).toEqual([]);
    expect(await list("after=2001-01-01T00:00:00Z")).toHaveLength(3);
    for (const refused of ["limit=501", "limit=0", "after=yesterday"])
      expect((await ask(key, `/v2/orders?${refused}`)).status).toBe(422);
  });

  test("cancels all open orders, and tells which", async () => {
    const key = simulator.control.addKey("alpaca");
    const { id } = named.parse(await (await order(key, { time_in_force: "day" })).json());
    await order(key, { time_in_force: "fok" });
    const cancelled = await ask(key, "/v2/orders", { method: "DELETE" });
    expect([cancelled.status, await cancelled.json()]).toEqual([207, [{ id, status: 200 }]]);
    expect(await (await ask(key, "/v2/orders")).json()).toEqual([]);
  });

  test("knows an asset and a position by id and by symbol", async () => {
    const key = simulator.control.addKey("alpaca");
    const share = named.parse(await (await ask(key, "/v2/assets/AAPL")).json());
    expect(share).toMatchObject({ symbol: "AAPL", class: "us_equity", easy_to_borrow: false });
    expect(await (await ask(key, `/v2/assets/${share.id}`)).json()).toEqual(share);
    for (const name of ["BTC%2FUSD", "BTC/USD", "BTCUSD"])
      expect(await (await ask(key, `/v2/assets/${name}`)).json()).toMatchObject({ symbol: "BTC/USD" });
    expect((await ask(key, "/v2/assets/GOOG")).status).toBe(404);
    expect(await (await ask(key, "/v2/assets?status=inactive")).json()).toEqual([]);
    expect((await ask(key, "/v2/positions/AAPL")).status).toBe(404);
    await order(key, { type: "market", time_in_force: "day" });
    expect(await (await ask(key, "/v2/positions/AAPL")).json()).toMatchObject({ qty: "3" });
  });

  test("has a clock, a calendar and the account's configuration", async () => {
    const key = simulator.control.addKey("alpaca", { account: "careful" });
    simulator.control.setClockSkew("alpaca", Date.parse("2031-05-06T07:08:09Z") - Date.now());
    expect(await (await ask(key, "/v2/clock")).json()).toMatchObject({
      timestamp: expect.stringContaining("2031-05-06T07:"),
      is_open: true,
      next_open: "2031-05-07T00:00:00.000Z",
      next_close: "2031-05-07T00:00:00.000Z",
    });
    expect(await (await ask(key, "/v2/calendar?start=2024-02-28&end=2024-03-01")).json()).toMatchObject(
      ["2024-02-28", "2024-02-29", "2024-03-01"].map((date) => ({ date, open: "00:00", close: "23:59" })),
    );
    expect((await ask(key, "/v2/calendar?start=soon")).status).toBe(422);
    simulator.control.setAccount("alpaca", "careful", { blocked: ["trade_suspended_by_user"] });
    const set = await (await ask(key, "/v2/account/configurations")).json();
    expect(set).toMatchObject({ suspend_trade: true, no_shorting: true });
  });
});
