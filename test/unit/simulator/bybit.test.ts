import { bybit } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipHexBit, header, nextDigit, to, url } from "./alter.ts";
import { clientOf } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

venueSuite({
  venue: "bybit",
  environment: "live",
  venueClass: bybit,
  // Or ccxt asks for the kind of account before its first order.
  config: { options: { enableUnifiedMargin: false, enableUnifiedAccount: true } },
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.privateGetV5UserQueryApi(),
  find: async (exchange, orderLinkId) => {
    const [order] = await exchange.fetchOpenOrders("BTC/USDT", undefined, undefined, { orderLinkId });
    return order ?? {};
  },
  clientOrderId: (n) => `keyhold-${n}`,
  alterInspect: {
    query: url(/$/, to("&x=1")),
    timestamp: header("x-bapi-timestamp", nextDigit),
    window: header("x-bapi-recv-window", nextDigit),
    signature: header("x-bapi-sign", flipHexBit),
  },
  alterOrder: {
    body: body(/"qty":"[\d.]+/, nextDigit),
    timestamp: header("x-bapi-timestamp", nextDigit),
    signature: header("x-bapi-sign", flipHexBit),
  },
  otherKey: (other) => header("x-bapi-api-key", to(other.apiKey)),
  refusals: [
    ["unknown_key", 200, { retCode: 10003 }],
    ["bad_signature", 200, { retCode: 10004 }],
    ["expired_key", 200, { retCode: 33004 }],
    ["ip_not_allowed", 200, { retCode: 10010 }],
    ["account_locked", 200, { retCode: 10008 }],
    ["clock_skew", 200, { retCode: 10002 }],
    ["rate_limited", 200, { retCode: 10006 }],
    ["unavailable", 200, { retCode: 10016 }],
  ],
});

describe("bybit", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("tells what the key may do in its own words, to any working key", async () => {
    const key = simulator.control.addKey("bybit", {
      permissions: { read: false, withdraw: true },
      boundIps: ["127.0.0.1"],
      expiresAt: "2999-01-01T00:00:00Z",
      extraWords: ["Teleport"],
    });
    const { exchange } = clientOf(bybit, simulator, key);
    expect(await exchange.privateGetV5UserQueryApi()).toMatchObject({
      result: {
        readOnly: 0,
        permissions: { Spot: ["SpotTrade"], Wallet: ["Withdraw"], Exchange: ["Teleport"] },
        ips: ["127.0.0.1"],
        expiredAt: "2999-01-01T00:00:00Z",
        userID: key.accountNumber,
      },
    });
    await expect(exchange.privateGetV5AccountInfo()).rejects.toThrow("10005");
  });

  test("shows a key that may only read, is bound to nothing and never ends", async () => {
    const key = simulator.control.addKey("bybit", { permissions: { trade: false } });
    const { exchange } = clientOf(bybit, simulator, key);
    expect(await exchange.privateGetV5UserQueryApi()).toMatchObject({
      result: { readOnly: 1, ips: ["*"], deadlineDay: -2, expiredAt: "1970-01-01T00:00:00Z" },
    });
  });

  test("counts a market order to buy in the quote currency", async () => {
    const { exchange } = clientOf(bybit, simulator, simulator.control.addKey("bybit"));
    await exchange.createOrder("BTC/USDT", "market", "buy", 0.1, 50000);
    expect(await exchange.fetchBalance()).toMatchObject({ BTC: { total: 1.1 }, USDT: { total: 95000 } });
  });

  test("tells of open positions", async () => {
    const key = simulator.control.addKey("bybit", { account: "trader" });
    const position = { base: "ETH", side: "long", quantity: "2", entryPrice: "2000" } as const;
    simulator.control.setAccount("bybit", "trader", { positions: [position] });
    const [found] = await clientOf(bybit, simulator, key).exchange.fetchPositions();
    expect(found).toMatchObject({ symbol: "ETH/USDT:USDT", side: "long", contracts: 2, unrealizedPnl: 1000 });
  });

  test("finds an order that is no longer open when it is named", async () => {
    const { exchange } = clientOf(bybit, simulator, simulator.control.addKey("bybit"));
    await exchange.createOrder("BTC/USDT", "market", "sell", 0.1, undefined, { clientOrderId: "done" });
    const ask = (params: Record<string, string>) =>
      exchange.privateGetV5OrderRealtime({ category: "spot", ...params });
    expect(await ask({ orderLinkId: "done" })).toMatchObject({
      result: { list: [{ orderStatus: "Filled" }] },
    });
    expect(await ask({})).toMatchObject({ result: { list: [] } });
  });

  test("keeps testnet and demo keys from the live host", async () => {
    for (const environment of ["testnet", "paper"] as const) {
      const key = simulator.control.addKey("bybit", { environment });
      const ask = (given: typeof key) =>
        clientOf(bybit, simulator, given).exchange.privateGetV5AccountWalletBalance({
          accountType: "UNIFIED",
        });
      expect(await ask(key)).toMatchObject({ retCode: 0 });
      await expect(ask({ ...key, environment: "live" })).rejects.toThrow("10003");
    }
  });

  test("offers in demo trading what its list has, and nothing else", async () => {
    const key = simulator.control.addKey("bybit", { environment: "paper" });
    const { exchange } = clientOf(bybit, simulator, key, {
      options: { enableUnifiedMargin: false, enableUnifiedAccount: true, enableDemoTrading: true },
    });
    const { id } = await exchange.createOrder("BTC/USDT", "limit", "buy", 0.01, 40000);
    await exchange.cancelOrder(String(id), "BTC/USDT");
    expect(await exchange.privateGetV5AccountInfo()).toMatchObject({ retCode: 0 });
    for (const ask of [
      () => exchange.privateGetV5UserQueryApi(),
      () => exchange.privateGetV5AssetCoinQueryInfo(),
      () => exchange.privateGetV5UserSubApikeys(),
    ]) {
      await expect(ask()).rejects.toThrow("10032");
    }
  });

  test("asks for the symbol of an order that is cancelled", async () => {
    const { exchange } = clientOf(bybit, simulator, simulator.control.addKey("bybit"));
    const { id: orderId } = await exchange.createOrder("ETH/USDT", "limit", "sell", 1, 2600);
    const cancel = (more: Record<string, string>) =>
      exchange.privatePostV5OrderCancel({ category: "spot", orderId, ...more });
    await expect(cancel({})).rejects.toThrow("10001");
    await expect(cancel({ symbol: "BTCUSDT" })).rejects.toThrow("170213");
    expect(await cancel({ symbol: "ETHUSDT" })).toMatchObject({ retCode: 0 });
  });
});
