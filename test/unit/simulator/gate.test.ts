import { gate } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipHexBit, header, method, nextDigit, to, url } from "./alter.ts";
import { clientOf, send } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

venueSuite({
  venue: "gate",
  environment: "live",
  venueClass: gate,
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.privateAccountGetMainKeys(),
  find: (exchange, clientOrderId) => exchange.fetchOrder("", "BTC/USDT", { clientOrderId }),
  clientOrderId: (n) => `t-keyhold-${n}`,
  duplicates: "accepted",
  alterInspect: {
    path: url("main_keys", to("detail")),
    query: url(/$/, to("?x=1")),
    timestamp: header("timestamp", nextDigit),
    signature: header("sign", flipHexBit),
  },
  alterOrder: {
    body: body(/"amount":"[\d.]+/, nextDigit),
    query: url(/$/, to("?account=spot")),
    timestamp: header("timestamp", nextDigit),
    signature: header("sign", flipHexBit),
  },
  otherKey: (other) => header("key", to(other.apiKey)),
  refusals: [
    ["unknown_key", 401, { label: "INVALID_KEY" }],
    ["bad_signature", 401, { label: "INVALID_SIGNATURE" }],
    ["ip_not_allowed", 403, { label: "IP_FORBIDDEN" }],
    ["insufficient_permission", 403, { label: "FORBIDDEN" }],
    ["account_locked", 403, { label: "ACCOUNT_LOCKED" }],
    ["clock_skew", 403, { label: "REQUEST_EXPIRED" }],
    ["rate_limited", 429, { label: "TOO_MANY_REQUESTS" }],
    ["unavailable", 503, { label: "SERVER_ERROR" }],
  ],
});

describe("gate", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("lists all keys of the account, masked, with what each may do", async () => {
    const key = simulator.control.addKey("gate", { account: "desk", boundIps: ["127.0.0.1"] });
    simulator.control.addKey("gate", {
      account: "desk",
      permissions: { trade: false, withdraw: true },
      extraWords: ["teleport"],
    });
    simulator.control.addKey("gate", { account: "another" });
    const keys = await clientOf(gate, simulator, key).exchange.privateAccountGetMainKeys();
    expect(keys).toMatchObject([
      {
        user_id: key.accountNumber,
        key: `${key.apiKey.slice(0, 4)}****${key.apiKey.slice(-4)}`,
        ip_whitelist: ["127.0.0.1"],
        perms: [
          { name: "account", read_only: true },
          { name: "spot", read_only: false },
          { name: "wallet", read_only: true },
        ],
      },
      {
        perms: [
          { name: "account", read_only: true },
          { name: "spot", read_only: true },
          { name: "wallet", read_only: true },
          { name: "withdraw", read_only: false },
          { name: "teleport", read_only: false },
        ],
      },
    ]);
    expect(JSON.stringify(keys)).not.toContain(key.apiKey);
  });

  test("refuses a signed look-up that is sent as a cancellation", async () => {
    const client = clientOf(gate, simulator, simulator.control.addKey("gate"));
    const order = { order_id: "1", currency_pair: "BTC_USDT" };
    const sent = await client.signed((exchange) => exchange.privateSpotGetOrdersOrderId(order));
    await send(method("DELETE")(sent));
    await send(sent);
    expect(simulator.control.requests().map(({ method, refusal }) => [method, refusal])).toEqual([
      ["DELETE", "bad_signature"],
      ["GET", "unknown_order"],
    ]);
  });

  test("accepts a query that is signed decoded and sent encoded", async () => {
    const { exchange } = clientOf(gate, simulator, simulator.control.addKey("gate"));
    expect(await exchange.privateSpotGetOpenOrders({ note: "a b/c" })).toEqual([]);
  });

  test("finds the latest of two orders with one client order id, for an hour after its end", async () => {
    const { exchange } = clientOf(gate, simulator, simulator.control.addKey("gate"));
    const clientOrderId = "t-twice";
    const sell = () => exchange.createOrder("BTC/USDT", "market", "sell", 0.1, undefined, { clientOrderId });
    const [first, second] = [await sell(), await sell()];
    expect(first.id).not.toBe(second.id);
    expect((await exchange.fetchOrder("", "BTC/USDT", { clientOrderId })).id).toBe(second.id);
    simulator.control.setClockSkew("gate", 3_601_000);
    await exchange.loadTimeDifference();
    await expect(exchange.fetchOrder("", "BTC/USDT", { clientOrderId })).rejects.toThrow(
      "CLIENT_ID_NOT_FOUND",
    );
    expect((await exchange.fetchOrder(String(second.id), "BTC/USDT")).id).toBe(second.id);
  });

  test("tells of open positions in contracts", async () => {
    const key = simulator.control.addKey("gate", { account: "trader" });
    const position = { base: "BTC", side: "long", quantity: "0.5", entryPrice: "48000" } as const;
    simulator.control.setAccount("gate", "trader", { positions: [position] });
    const [found] = await clientOf(gate, simulator, key).exchange.fetchPositions();
    expect(found).toMatchObject({
      symbol: "BTC/USDT:USDT",
      side: "long",
      contracts: 500,
      unrealizedPnl: 1000,
    });
  });
});
