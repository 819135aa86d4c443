import { BadSymbol, InsufficientFunds, binance } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator } from "../../../simulator/simulator.ts";
import type { Simulator } from "../../../simulator/simulator.ts";
import { body, flipHexBit, header, nextDigit, to, url } from "./alter.ts";
import { clientOf } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

const signature = /(?<=signature=)[^&]+/;

venueSuite({
  venue: "binance",
  environment: "live",
  venueClass: binance,
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.sapiGetAccountApiRestrictions(),
  find: (exchange, clientOrderId) => exchange.fetchOrder("", "BTC/USDT", { clientOrderId }),
  clientOrderId: (n) => `keyhold-${n}`,
  alterInspect: {
    query: url(/recvWindow=\d+/, nextDigit),
    timestamp: url(/timestamp=\d+/, nextDigit),
    signature: url(signature, flipHexBit),
  },
  alterOrder: {
    body: body(/quantity=[\d.]+/, nextDigit),
    timestamp: body(/timestamp=\d+/, nextDigit),
    signature: body(signature, flipHexBit),
    "query added": url(/$/, to("?symbol=ETHUSDT")),
  },
  otherKey: (other) => header("x-mbx-apikey", to(other.apiKey)),
  refusals: [
    ["unknown_key", 401, { code: -2008 }],
    ["bad_signature", 400, { code: -1022 }],
    ["expired_key", 401, { code: -2015 }],
    ["ip_not_allowed", 401, { code: -2015 }],
    ["insufficient_permission", 401, { code: -2015 }],
    ["account_locked", 401, { code: -1002 }],
    ["clock_skew", 400, { code: -1021 }],
    ["rate_limited", 429, { code: -1003 }],
    ["unavailable", 503, { code: -1001 }],
  ],
});

describe("binance", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("tells what the key may do in its own words", async () => {
    const key = simulator.control.addKey("binance", {
      permissions: { withdraw: true },
      boundIps: ["127.0.0.1"],
      extraWords: ["enableTeleport"],
    });
    const { exchange } = clientOf(binance, simulator, key);
    expect(await exchange.sapiGetAccountApiRestrictions()).toMatchObject({
      ipRestrict: true,
      enableReading: true,
      enableSpotAndMarginTrading: true,
      enableWithdrawals: true,
      enableInternalTransfer: false,
      enableTeleport: true,
    });
  });

  test.each(["ed25519", "rsa"] as const)("accepts keys that sign with %s", async (signing) => {
    const key = simulator.control.addKey("binance", { signing });
    const { exchange } = clientOf(binance, simulator, key);
    expect(await exchange.sapiGetAccountApiRestrictions()).toMatchObject({ enableReading: true });
    const other = simulator.control.addKey("binance", { signing });
    const stranger = clientOf(binance, simulator, { ...key, apiSecret: other.apiSecret });
    await expect(stranger.exchange.sapiGetAccountApiRestrictions()).rejects.toThrow("-1022");
  });

  test("fills a market order at once and moves both balances", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    const order = await exchange.createOrder("BTC/USDT", "market", "sell", 0.5);
    expect(order).toMatchObject({ status: "closed", filled: 0.5, average: 50000 });
    expect(await exchange.fetchBalance()).toMatchObject({ BTC: { free: 0.5 }, USDT: { free: 125000 } });
  });

  test("lets a client order id be used again once its order is filled", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    const clientOrderId = "again";
    await exchange.createOrder("BTC/USDT", "market", "sell", 0.1, undefined, { clientOrderId });
    await exchange.createOrder("BTC/USDT", "market", "sell", 0.1, undefined, { clientOrderId });
    expect(simulator.control.countRequests({ method: "POST", path: "/api/v3/order" })).toBe(2);
  });

  test("refuses an order that the balance does not cover, and one for a symbol that it does not list", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    await expect(exchange.createOrder("BTC/USDT", "market", "buy", 100)).rejects.toThrow(InsufficientFunds);
    await expect(exchange.privateGetOpenOrders({ symbol: "NOSUCH" })).rejects.toThrow(BadSymbol);
  });

  test("tells of open positions", async () => {
    const key = simulator.control.addKey("binance", { account: "trader" });
    const position = { base: "BTC", side: "short", quantity: "0.5", entryPrice: "52000" } as const;
    simulator.control.setAccount("binance", "trader", { positions: [position] });
    const { exchange } = clientOf(binance, simulator, key);
    const [found] = await exchange.fetchPositions();
    expect(found).toMatchObject({
      symbol: "BTC/USDT:USDT",
      side: "short",
      contracts: 0.5,
      unrealizedPnl: 1000,
    });
  });

  test("has no wallet API on the testnet, whose keys do not work on the live host", async () => {
    const key = simulator.control.addKey("binance", { environment: "testnet" });
    const testnet = clientOf(binance, simulator, key, { options: { fetchCurrencies: false } });
    expect((await testnet.exchange.privateGetAccount()).canTrade).toBe(true);
    await expect(testnet.exchange.sapiGetAccountApiRestrictions()).rejects.toThrow("404");
    const live = clientOf(binance, simulator, { ...key, environment: "live" });
    await expect(live.exchange.sapiGetAccountApiRestrictions()).rejects.toThrow("-2008");
  });

  test("answers its time by a clock that can be set wrong", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    simulator.control.setClockSkew("binance", 3_600_000);
    expect(Number(await exchange.fetchTime()) - Date.now()).toBeGreaterThan(3_500_000);
    await exchange.loadTimeDifference();
    expect(await exchange.sapiGetAccountApiRestrictions()).toMatchObject({ enableReading: true });
  });
});
