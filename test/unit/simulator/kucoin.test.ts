import { kucoin } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipBase64Bit, header, method, nextDigit, to, url } from "./alter.ts";
import { clientOf, send } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

venueSuite({
  venue: "kucoin",
  environment: "live",
  venueClass: kucoin,
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.privateGetUserApiKey(),
  find: (exchange, clientOrderId) => exchange.fetchOrder("", "BTC/USDT", { clientOrderId }),
  clientOrderId: (n) => `keyhold-${n}`,
  alterInspect: {
    path: url("user/api-key", to("accounts")),
    query: url(/$/, to("?x=1")),
    timestamp: header("kc-api-timestamp", nextDigit),
    passphrase: header("kc-api-passphrase", flipBase64Bit),
    signature: header("kc-api-sign", flipBase64Bit),
  },
  alterOrder: {
    body: body(/"size":"[\d.]+/, nextDigit),
    query: url(/$/, to("?x=1")),
    timestamp: header("kc-api-timestamp", nextDigit),
    passphrase: header("kc-api-passphrase", to("")),
    signature: header("kc-api-sign", flipBase64Bit),
  },
  otherKey: (other) => header("kc-api-key", to(other.apiKey)),
  refusals: [
    ["unknown_key", 401, { code: "400003" }],
    ["bad_signature", 401, { code: "400005" }],
    ["wrong_passphrase", 401, { code: "400004" }],
    ["ip_not_allowed", 401, { code: "400006" }],
    ["insufficient_permission", 403, { code: "400007" }],
    ["account_locked", 403, { code: "411100" }],
    ["clock_skew", 401, { code: "400002" }],
    ["rate_limited", 429, { code: "429000" }],
    ["unavailable", 500, { code: "500000" }],
  ],
});

describe("kucoin", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("tells what the key may do in its own words", async () => {
    const key = simulator.control.addKey("kucoin", {
      permissions: { transfer: true, withdraw: true },
      boundIps: ["127.0.0.1"],
      extraWords: ["Teleport"],
    });
    expect(await clientOf(kucoin, simulator, key).exchange.privateGetUserApiKey()).toMatchObject({
      data: {
        apiKey: key.apiKey,
        permission: "General, Spot, InnerTransfer, Transfer, Teleport",
        ipWhitelist: "127.0.0.1",
      },
    });
    const free = clientOf(kucoin, simulator, simulator.control.addKey("kucoin"));
    expect((await free.exchange.privateGetUserApiKey()).data).not.toHaveProperty("ipWhitelist");
  });

  test("refuses a passphrase that travels in the clear", async () => {
    const key = simulator.control.addKey("kucoin");
    const client = clientOf(kucoin, simulator, key);
    const sent = await client.signed((exchange) => exchange.privateGetUserApiKey());
    const answer = await send(header("kc-api-passphrase", to(key.passphrase ?? ""))(sent));
    expect(await answer.json()).toMatchObject({ code: "400004" });
  });

  test.each([
    ["3", "200000"],
    ["1", "400004"],
    ["4", "400004"],
  ])("answers a request of key version '%s' with %s", async (version, code) => {
    const client = clientOf(kucoin, simulator, simulator.control.addKey("kucoin"));
    const sent = await client.signed((exchange) => exchange.privateGetAccounts());
    const answer = await send(header("kc-api-key-version", to(version))(sent));
    expect(await answer.json()).toMatchObject({ code });
  });

  test("refuses a request that says no key version", async () => {
    const client = clientOf(kucoin, simulator, simulator.control.addKey("kucoin"));
    const sent = await client.signed((exchange) => exchange.privateGetAccounts());
    expect(await (await send(sent)).json()).toMatchObject({ code: "200000" });
    const { "KC-API-KEY-VERSION": version, ...headers } = sent.headers;
    expect(version).toBe("2");
    expect(await (await send({ ...sent, headers })).json()).toMatchObject({ code: "400004" });
  });

  test("lists the orders that are done, in their market", async () => {
    const { exchange } = clientOf(kucoin, simulator, simulator.control.addKey("kucoin"));
    const { id } = await exchange.createOrder("ETH/USDT", "market", "sell", 1);
    await exchange.createOrder("ETH/USDT", "limit", "sell", 1, 2600);
    const done = (symbol: string) => exchange.privateGetHfOrdersDone({ symbol });
    expect(await done("ETH-USDT")).toMatchObject({ data: { items: [{ id, active: false }] } });
    expect(await done("BTC-USDT")).toMatchObject({ data: { items: [] } });
  });

  test("refuses a signed look-up that is sent as a cancellation", async () => {
    const client = clientOf(kucoin, simulator, simulator.control.addKey("kucoin"));
    const order = { orderId: "1", symbol: "BTC-USDT" };
    const sent = await client.signed((exchange) => exchange.privateGetHfOrdersOrderId(order));
    await send(method("DELETE")(sent));
    await send(sent);
    expect(simulator.control.requests().map(({ method, refusal }) => [method, refusal])).toEqual([
      ["DELETE", "bad_signature"],
      ["GET", "unknown_order"],
    ]);
  });

  test("finds and cancels by client order id, and says of a cancelled order that it is", async () => {
    const { exchange } = clientOf(kucoin, simulator, simulator.control.addKey("kucoin"));
    const clientOrderId = "by-client";
    await exchange.createOrder("BTC/USDT", "limit", "buy", 0.01, 40000, { clientOrderId });
    await exchange.cancelOrder("", "BTC/USDT", { clientOrderId });
    const found = await exchange.fetchOrder("", "BTC/USDT", { clientOrderId });
    expect(found).toMatchObject({ clientOrderId, status: "canceled" });
  });

  test("tells of open positions in contracts", async () => {
    const key = simulator.control.addKey("kucoin", { account: "trader" });
    const position = { base: "BTC", side: "short", quantity: "0.5", entryPrice: "52000" } as const;
    simulator.control.setAccount("kucoin", "trader", { positions: [position] });
    const [found] = await clientOf(kucoin, simulator, key).exchange.fetchPositions();
    expect(found).toMatchObject({
      symbol: "BTC/USDT:USDT",
      side: "short",
      contracts: 500,
      unrealizedPnl: 1000,
    });
  });
});
