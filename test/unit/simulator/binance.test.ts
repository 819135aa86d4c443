import { BadSymbol, InsufficientFunds, binance } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipHexBit, header, nextDigit, to, url } from "./alter.ts";
import { clientOf, send } from "./client.ts";
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

  test("takes a signature in hex of either case, and no other signature", async () => {
    const client = clientOf(binance, simulator, simulator.control.addKey("binance"));
    const sent = await client.signed((exchange) => exchange.privateGetAccount());
    const capitals = url(signature, (hex) => hex.toUpperCase());
    expect((await send(capitals(sent))).status).toBe(200);
    expect((await send(url(signature, flipHexBit)(capitals(sent)))).status).toBe(400);
    const key = simulator.control.addKey("binance", { signing: "ed25519" });
    const other = await clientOf(binance, simulator, key).signed((exchange) => exchange.privateGetAccount());
    expect((await send(url(signature, (base64) => base64.toLowerCase())(other))).status).toBe(400);
  });

  test("takes a window of a minute, and none that is longer", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    expect((await exchange.privateGetAccount({ recvWindow: 60_000 })).canTrade).toBe(true);
    await expect(exchange.privateGetAccount({ recvWindow: 60_001 })).rejects.toThrow("-1131");
  });

  test("asks for the time in force of a limit order, and for that of no other", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    const sell = (type: string, more: Record<string, string>) =>
      exchange.privatePostOrder({ symbol: "ETHUSDT", side: "SELL", quantity: "2", type, ...more });
    const limit = { price: "2600" };
    await expect(sell("LIMIT", limit)).rejects.toThrow("-1102");
    expect(await sell("LIMIT", { ...limit, timeInForce: "GTC" })).toMatchObject({ status: "NEW" });
    expect(await sell("LIMIT", { ...limit, timeInForce: "FOK" })).toMatchObject({ status: "EXPIRED" });
    expect(await sell("LIMIT_MAKER", limit)).toMatchObject({ status: "NEW", type: "LIMIT_MAKER" });
    await expect(sell("LIMIT_MAKER", { price: "2400" })).rejects.toThrow("immediately match");
    await expect(sell("MARKET", { timeInForce: "IOC" })).rejects.toThrow("-1106");
    expect(await sell("MARKET", {})).toMatchObject({ status: "FILLED" });
  });

  test("asks for the symbol of an order that is looked up or cancelled", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    const { id: orderId } = await exchange.createOrder("ETH/USDT", "limit", "sell", 1, 2600);
    await expect(exchange.privateGetOrder({ orderId })).rejects.toThrow("-1102");
    await expect(exchange.privateDeleteOrder({ orderId })).rejects.toThrow("-1102");
    await expect(exchange.privateDeleteOrder({ orderId, symbol: "BTCUSDT" })).rejects.toThrow("-2011");
    const named = { orderId, symbol: "ETHUSDT" };
    expect(await exchange.privateGetOrder(named)).toMatchObject({ status: "NEW" });
    expect(await exchange.privateDeleteOrder(named)).toMatchObject({ status: "CANCELED" });
  });

  test("answers its time by a clock that can be set wrong", async () => {
    const { exchange } = clientOf(binance, simulator, simulator.control.addKey("binance"));
    simulator.control.setClockSkew("binance", 3_600_000);
    expect(Number(await exchange.fetchTime()) - Date.now()).toBeGreaterThan(3_500_000);
    await exchange.loadTimeDifference();
    expect(await exchange.sapiGetAccountApiRestrictions()).toMatchObject({ enableReading: true });
  });
});
