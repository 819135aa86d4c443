import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Answer } from "../../../../src/venues/process/protocol.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, performerAt, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});

beforeEach(() => venue.forget());

afterAll(() => venue[Symbol.asyncDispose]());

const clientOrderId = "0123456789abcdef0123456789abcdef";

function invoke(operation: string, params: Record<string, unknown> = {}, at = "alpaca"): Promise<Answer> {
  const invocation = { operation, params, clientOrderId };
  return perform({ venue: at, environment: "live", verb: "invoke", invocation }, credentialsOf(at));
}

const order = {
  id: "904837e3-3b76-47ec-b432-046db621571b",
  client_order_id: clientOrderId,
  created_at: "2026-11-20T14:30:00.123Z",
  symbol: "AAPL",
  type: "limit",
  side: "buy",
  qty: "10",
  filled_qty: "4",
  filled_avg_price: "199.5",
  limit_price: "200",
  stop_price: null,
  time_in_force: "day",
  status: "partially_filled",
};

const unified = {
  id: order.id,
  clientOrderId,
  symbol: "AAPL",
  type: "limit",
  side: "buy",
  amount: 10,
  filled: 4,
  remaining: 6,
  average: 199.5,
  price: 200,
  triggerPrice: null,
  timeInForce: "DAY",
  status: "open",
  datetime: "2026-11-20T14:30:00.123Z",
  timestamp: Date.parse("2026-11-20T14:30:00.123Z"),
  info: order,
};

describe("Alpaca", () => {
  const terms = { symbol: "AAPL", type: "limit", side: "buy", amount: "10", price: "200" };

  test.each([
    ["a limit order", terms, { type: "limit", qty: "10", limit_price: "200", time_in_force: "day" }],
    [
      "a market order",
      { ...terms, type: "market", price: undefined },
      { type: "market", time_in_force: "day" },
    ],
    [
      "an order that waits for a price",
      { ...terms, triggerPrice: "190" },
      { type: "stop_limit", stop_price: "190" },
    ],
    ["a stop", { ...terms, type: "market", triggerPrice: 190 }, { type: "stop", stop_price: "190" }],
    ["its own time in force", { ...terms, timeInForce: "FOK" }, { time_in_force: "fok" }],
    ["a coin, for which there is no day", { ...terms, symbol: "BTC/USD" }, { time_in_force: "gtc" }],
    ["a small number without an exponent", { ...terms, amount: 1e-7 }, { qty: "0.0000001" }],
  ])("is sent %s", async (_name, params, wire) => {
    venue.sayJson(order);
    expect(await invoke("createOrder", params)).toEqual({ outcome: "done", result: unified });
    expect(JSON.parse(venue.received[0]?.body ?? "")).toMatchObject({
      ...wire,
      client_order_id: clientOrderId,
    });
    expect(venue.received).toMatchObject([{ method: "POST", url: "/v2/orders" }]);
  });

  test.each(["postOnly", "reduceOnly"])("refuses %s, which it does not have", async (name) => {
    expect(await invoke("createOrder", { ...terms, [name]: true })).toEqual({
      outcome: "refused",
      message: `Alpaca: orders have no ${name} here.`,
      unsent: true,
    });
    expect(venue.received).toEqual([]);
  });

  test.each([
    ["new", "open"],
    ["held", "open"],
    ["filled", "closed"],
    ["canceled", "canceled"],
    ["expired", "expired"],
    ["rejected", "rejected"],
    ["replaced", "canceled"],
  ])("shows an order that is %s as %s", async (status, shown) => {
    venue.sayJson({ ...order, status });
    expect(await invoke("fetchOrder", { id: order.id })).toMatchObject({ result: { status: shown } });
    expect(venue.received[0]?.url).toBe(`/v2/orders/${order.id}`);
  });

  test("sends no order id that would be more than one part of the path", async () => {
    venue.sayJson(order);
    expect(await invoke("fetchOrder", { id: "../account?x=" })).toMatchObject({ unsent: true });
    expect(venue.received).toEqual([]);
    await invoke("fetchOrder", { id: "an-order" });
    expect(venue.received[0]?.url, "the control").toBe("/v2/orders/an-order");
  });

  test.each([
    [
      "fetchOrders",
      { symbol: "AAPL", since: 0, limit: 700 },
      "status=all&symbols=AAPL&after=1970-01-01T00%3A00%3A00.000Z&limit=500",
    ],
    ["fetchOpenOrders", {}, "status=open"],
    ["fetchClosedOrders", { limit: 5 }, "status=closed&limit=5"],
  ])("lists with %s", async (operation, params, query) => {
    venue.sayJson([order]);
    expect(await invoke(operation, params)).toEqual({ outcome: "done", result: [unified] });
    expect(venue.received[0]?.url).toBe(`/v2/orders?${query}`);
  });

  test("cancels without a body to read", async () => {
    venue.say({ status: 204, body: "" });
    expect(await invoke("cancelOrder", { id: order.id })).toEqual({
      outcome: "done",
      result: { id: order.id },
    });
    expect(venue.received[0]?.method).toBe("DELETE");
  });

  test("shows cash as the balance, and what cannot be spent as used", async () => {
    const account = {
      id: "1",
      account_number: "PA1",
      status: "ACTIVE",
      currency: "USD",
      cash: "1000.5",
      buying_power: "400.5",
    };
    venue.sayJson(account);
    expect(await invoke("fetchBalance")).toMatchObject({
      result: { USD: { free: 400.5, used: 600, total: 1000.5 }, total: { USD: 1000.5 }, info: account },
    });
  });

  test("shows positions, all or the ones that were asked for", async () => {
    const position = {
      symbol: "AAPL",
      side: "short",
      qty: "-3",
      avg_entry_price: "190",
      market_value: "-600",
      unrealized_pl: "-30",
      current_price: "200",
    };
    venue.sayJson([position, { ...position, symbol: "MSFT" }]);
    const shown = {
      symbol: "AAPL",
      side: "short",
      contracts: 3,
      entryPrice: 190,
      markPrice: 200,
      unrealizedPnl: -30,
    };
    expect(await invoke("fetchPositions")).toMatchObject({ result: [shown, { symbol: "MSFT" }] });
    expect(await invoke("fetchPositions", { symbols: ["AAPL"] })).toMatchObject({ result: [shown] });
    expect(await invoke("fetchPositions", { symbols: [] })).toMatchObject({ result: [] });
  });

  test("shows the account as it is", async () => {
    const account = { id: "1", account_number: "PA1", status: "ACTIVE", cash: "5", buying_power: "10" };
    venue.sayJson(account);
    expect(await invoke("account")).toEqual({ outcome: "done", result: account });
  });

  test.each([
    [403, { code: 40310000, message: "insufficient buying power" }, "refused"],
    [422, { code: 40010001, message: "client_order_id must be unique" }, "refused"],
    [404, { code: 40410000, message: "order not found" }, "refused"],
    [401, { message: "unauthorized." }, "rejected"],
    [429, { message: "rate limit exceeded" }, "rate_limited"],
    [500, { message: "internal server error" }, "venue_unavailable"],
    [200, {}, "unexpected_answer"],
    [200, { id: "1" }, "unexpected_answer"],
  ])("answers an order with %i %j: %s", async (status, body, outcome) => {
    venue.sayJson(body, status);
    expect((await invoke("createOrder", terms)).outcome).toBe(outcome);
  });

  test("looks an order up by its client order id", async () => {
    venue.sayJson(order);
    const job = {
      venue: "alpaca",
      environment: "paper",
      verb: "findOrder",
      order: { clientOrderId, symbol: "AAPL" },
    } as const;
    expect(await perform(job, credentialsOf("alpaca"))).toEqual({ outcome: "done", result: unified });
    expect(venue.received[0]?.url).toBe(`/v2/orders:by_client_order_id?client_order_id=${clientOrderId}`);
    venue.sayJson({ code: 40410000, message: "order not found" }, 404);
    expect(await perform(job, credentialsOf("alpaca"))).toEqual({ outcome: "absent" });
    venue.say({ status: 404, body: "<html>404</html>" });
    expect(await perform(job, credentialsOf("alpaca"))).toMatchObject({ outcome: "unexpected_answer" });
  });
});

describe("Massive", () => {
  const status = { market: "open", serverTime: "2026-11-20T12:00:00-05:00" };

  test("tells the state of the market, with the key in a header", async () => {
    venue.sayJson(status);
    expect(await invoke("fetchStatus", {}, "massive")).toEqual({
      outcome: "done",
      result: { status: "ok", updated: Date.parse(status.serverTime), info: status },
    });
    expect(venue.received).toMatchObject([{ url: "/v1/marketstatus/now" }]);
    expect(venue.received[0]?.headers.authorization).toMatch(/^Bearer \w+$/);
  });

  test.each([
    [200, {}, "unexpected_answer"],
    [200, { market: "open" }, "unexpected_answer"],
    [401, { status: "ERROR", error: "Unknown API Key" }, "rejected"],
    [404, { status: "NOT_FOUND", message: "no" }, "refused"],
  ])("answers with %i %j: %s", async (code, body, outcome) => {
    venue.sayJson(body, code);
    expect((await invoke("fetchStatus", {}, "massive")).outcome).toBe(outcome);
  });

  test("has no orders to look up", async () => {
    const order = { clientOrderId, symbol: "AAPL" };
    const job = { venue: "massive", environment: "live", verb: "findOrder", order } as const;
    expect(await perform(job, credentialsOf("massive"))).toMatchObject({ outcome: "unexpected_answer" });
  });
});
