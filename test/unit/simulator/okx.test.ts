import { okx } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipBase64Bit, header, method, nextDigit, to, url } from "./alter.ts";
import { clientOf, send } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

const milliseconds = (time: string): string =>
  time.replace(/\d(?=Z)/, (digit) => String((Number(digit) + 1) % 10));

venueSuite({
  venue: "okx",
  environment: "live",
  venueClass: okx,
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.privateGetAccountConfig(),
  find: (exchange, clientOrderId) => exchange.fetchOrder("", "BTC/USDT", { clientOrderId }),
  clientOrderId: (n) => `keyhold${n}`,
  alterInspect: {
    path: url("config", to("balance")),
    query: url(/$/, to("?x=1")),
    timestamp: header("ok-access-timestamp", milliseconds),
    passphrase: header("ok-access-passphrase", to("another")),
    signature: header("ok-access-sign", flipBase64Bit),
  },
  alterOrder: {
    path: url("batch-orders", to("order")),
    body: body(/"sz":"[\d.]+/, nextDigit),
    timestamp: header("ok-access-timestamp", milliseconds),
    passphrase: header("ok-access-passphrase", to("")),
    signature: header("ok-access-sign", flipBase64Bit),
  },
  otherKey: (other) => header("ok-access-key", to(other.apiKey)),
  refusals: [
    ["unknown_key", 401, { code: "50119" }],
    ["bad_signature", 401, { code: "50113" }],
    ["wrong_passphrase", 401, { code: "50105" }],
    ["ip_not_allowed", 401, { code: "50110" }],
    ["insufficient_permission", 401, { code: "50120" }],
    ["account_locked", 400, { code: "50100" }],
    ["clock_skew", 401, { code: "50102" }],
    ["rate_limited", 429, { code: "50011" }],
    ["unavailable", 503, { code: "50001" }],
  ],
});

describe("okx", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("tells what the key may do in its own words", async () => {
    const key = simulator.control.addKey("okx", {
      permissions: { withdraw: true },
      boundIps: ["127.0.0.1", "203.0.113.7"],
      extraWords: ["teleport"],
    });
    expect(await clientOf(okx, simulator, key).exchange.privateGetAccountConfig()).toMatchObject({
      data: [
        {
          perm: "read_only,trade,withdraw,teleport",
          ip: "127.0.0.1,203.0.113.7",
          uid: String(key.accountNumber),
        },
      ],
    });
  });

  test.each(["paper", "testnet"] as const)(
    "keeps %s keys to requests marked as demo, and live keys from them",
    async (environment) => {
      const demo = simulator.control.addKey("okx", { environment });
      const live = simulator.control.addKey("okx");
      const ask = (key: typeof demo, isDemo: boolean) => {
        const { exchange } = clientOf(okx, simulator, key);
        exchange.setSandboxMode(isDemo);
        return exchange.privateGetAccountConfig();
      };
      expect(await ask(demo, true)).toMatchObject({ code: "0" });
      expect(await ask(live, false)).toMatchObject({ code: "0" });
      await expect(ask(demo, false)).rejects.toThrow("50101");
      await expect(ask(live, true)).rejects.toThrow("50101");
    },
  );

  test("refuses a signed look-up that is sent as an order", async () => {
    const client = clientOf(okx, simulator, simulator.control.addKey("okx"));
    const sent = await client.signed((exchange) =>
      exchange.privateGetTradeOrder({ ordId: "1", instId: "BTC-USDT" }),
    );
    await send(method("POST")(sent));
    await send(sent);
    expect(simulator.control.requests().map(({ method, refusal }) => [method, refusal])).toEqual([
      ["POST", "bad_signature"],
      ["GET", "unknown_order"],
    ]);
  });

  test("takes single orders as well as batches of one, and no larger batch", async () => {
    const { exchange } = clientOf(okx, simulator, simulator.control.addKey("okx"));
    const order = { instId: "BTC-USDT", side: "sell", ordType: "market", sz: "0.1", tdMode: "cash" };
    expect(await exchange.privatePostTradeOrder({ ...order })).toMatchObject({ data: [{ sCode: "0" }] });
    expect(await exchange.privatePostTradeBatchOrders([{ ...order }])).toMatchObject({
      data: [{ sCode: "0" }],
    });
    await expect(exchange.privatePostTradeBatchOrders([{ ...order }, { ...order }])).rejects.toThrow("51000");
  });

  test("says in the item why it refuses an order", async () => {
    const { exchange } = clientOf(okx, simulator, simulator.control.addKey("okx"));
    await expect(exchange.createOrder("BTC/USDT", "market", "sell", 100)).rejects.toThrow('"sCode":"51008"');
    await expect(exchange.cancelOrder("1", "BTC/USDT")).rejects.toThrow('"sCode":"51400"');
    await expect(exchange.fetchOrder("1", "BTC/USDT")).rejects.toThrow('"code":"51603"');
  });

  test("tells of open positions in contracts", async () => {
    const key = simulator.control.addKey("okx", { account: "trader" });
    const position = { base: "BTC", side: "short", quantity: "0.5", entryPrice: "52000" } as const;
    simulator.control.setAccount("okx", "trader", { positions: [position] });
    const [found] = await clientOf(okx, simulator, key).exchange.fetchPositions();
    expect(found).toMatchObject({
      symbol: "BTC/USDT:USDT",
      side: "short",
      contracts: 50,
      unrealizedPnl: 1000,
    });
  });
});
