import { bitget } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipBase64Bit, header, nextDigit, to, url } from "./alter.ts";
import { clientOf } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

venueSuite({
  venue: "bitget",
  environment: "live",
  venueClass: bitget,
  // Or ccxt asks for the kind of account before its first order.
  config: { options: { uta: false } },
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.privateSpotGetV2SpotAccountInfo(),
  find: (exchange, clientOrderId) => exchange.fetchOrder("", "BTC/USDT", { clientOrderId }),
  clientOrderId: (n) => `keyhold-${n}`,
  alterInspect: {
    path: url("account/info", to("account/assets")),
    query: url(/$/, to("?x=1")),
    timestamp: header("access-timestamp", nextDigit),
    passphrase: header("access-passphrase", to("another")),
    signature: header("access-sign", flipBase64Bit),
  },
  alterOrder: {
    path: url("place-order", to("cancel-order")),
    body: body(/"size":"[\d.]+/, nextDigit),
    timestamp: header("access-timestamp", nextDigit),
    passphrase: header("access-passphrase", to("")),
    signature: header("access-sign", flipBase64Bit),
  },
  otherKey: (other) => header("access-key", to(other.apiKey)),
  refusals: [
    ["unknown_key", 400, { code: "40037" }],
    ["bad_signature", 400, { code: "40009" }],
    ["wrong_passphrase", 400, { code: "40012" }],
    ["ip_not_allowed", 403, { code: "40018" }],
    ["insufficient_permission", 403, { code: "40014" }],
    ["account_locked", 400, { code: "40013" }],
    ["clock_skew", 400, { code: "40008" }],
    ["rate_limited", 429, { code: "429" }],
    ["unavailable", 503, { code: "40015" }],
  ],
});

describe("bitget", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("asks for the time in force of a limit order, and the symbol of one that is cancelled", async () => {
    const { exchange } = clientOf(bitget, simulator, simulator.control.addKey("bitget"));
    const place = (more: Record<string, string>) =>
      exchange.privateSpotPostV2SpotTradePlaceOrder({
        symbol: "ETHUSDT",
        side: "sell",
        orderType: "limit",
        price: "2600",
        size: "1",
        ...more,
      });
    await expect(place({})).rejects.toThrow("400172");
    const placed: unknown = await place({ force: "gtc", clientOid: "mine" });
    expect(placed).toMatchObject({ code: "00000" });
    const cancel = (more: Record<string, string>) =>
      exchange.privateSpotPostV2SpotTradeCancelOrder({ clientOid: "mine", ...more });
    await expect(cancel({})).rejects.toThrow("40034");
    await expect(cancel({ symbol: "BTCUSDT" })).rejects.toThrow("43001");
    expect(await cancel({ symbol: "ETHUSDT" })).toMatchObject({ code: "00000" });
  });

  test("tells what the key may do in its own words", async () => {
    const key = simulator.control.addKey("bitget", {
      permissions: { withdraw: true },
      boundIps: ["127.0.0.1"],
      extraWords: ["tpow"],
    });
    const { exchange } = clientOf(bitget, simulator, key);
    expect(await exchange.privateSpotGetV2SpotAccountInfo()).toMatchObject({
      data: {
        userId: String(key.accountNumber),
        ips: "127.0.0.1",
        authorities: ["stor", "wtor", "stow", "wwow", "tpow"],
      },
    });
  });

  test("sends a unified account to its own interface, and a classic one back", async () => {
    simulator.control.setAccount("bitget", "unified", { unified: true });
    const key = simulator.control.addKey("bitget", { account: "unified", permissions: { trade: false } });
    const unified = clientOf(bitget, simulator, key).exchange;
    await expect(unified.privateSpotGetV2SpotAccountInfo()).rejects.toThrow("40085");
    expect(await unified.privateUtaGetV3AccountInfo()).toMatchObject({
      data: { permType: "read-only", permissions: ["uta_mgt"] },
    });
    const classic = clientOf(bitget, simulator, simulator.control.addKey("bitget")).exchange;
    await expect(classic.privateUtaGetV3AccountInfo()).rejects.toThrow("40084");
    expect(await classic.fetchOpenOrders("BTC/USDT")).toEqual([]);
  });

  test("keeps demo keys to requests marked as demo, and live keys from them", async () => {
    const demo = simulator.control.addKey("bitget", { environment: "paper" });
    const live = simulator.control.addKey("bitget");
    const ask = (key: typeof demo, sandboxMode: boolean) =>
      clientOf(bitget, simulator, key, {
        options: { sandboxMode },
      }).exchange.privateSpotGetV2SpotAccountInfo();
    expect(await ask(demo, true)).toMatchObject({ code: "00000" });
    expect(await ask(live, false)).toMatchObject({ code: "00000" });
    await expect(ask(demo, false)).rejects.toThrow("40099");
    await expect(ask(live, true)).rejects.toThrow("40099");
  });

  test("shows an order that nobody knows as an empty list", async () => {
    const { exchange } = clientOf(bitget, simulator, simulator.control.addKey("bitget"));
    const ask = () => exchange.privateSpotGetV2SpotTradeOrderInfo({ clientOid: "one" });
    expect(await ask()).toMatchObject({ code: "00000", data: [] });
    await exchange.createOrder("BTC/USDT", "market", "sell", 0.1, undefined, { clientOrderId: "one" });
    expect(await ask()).toMatchObject({ data: [{ clientOid: "one", status: "filled" }] });
  });

  test("tells of open positions", async () => {
    const key = simulator.control.addKey("bitget", { account: "trader" });
    const position = { base: "BTC", side: "short", quantity: "0.5", entryPrice: "52000" } as const;
    simulator.control.setAccount("bitget", "trader", { positions: [position] });
    const [found] = await clientOf(bitget, simulator, key).exchange.fetchPositions();
    expect(found).toMatchObject({
      symbol: "BTC/USDT:USDT",
      side: "short",
      contracts: 0.5,
      unrealizedPnl: 1000,
    });
  });
});
