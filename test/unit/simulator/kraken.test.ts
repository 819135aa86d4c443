import { kraken } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipBase64Bit, header, nextDigit, to, url } from "./alter.ts";
import { clientOf, send } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

// ccxt counts milliseconds, and two calls over loopback can share one.
let lastNonce = Date.now() * 1000;
const nonce = (): number => ++lastNonce;

venueSuite({
  venue: "kraken",
  environment: "live",
  venueClass: kraken,
  config: { nonce },
  symbol: "BTC/USDT",
  inspect: (exchange) => exchange.privatePostGetApiKeyInfo(),
  find: async (exchange, clientOrderId) => {
    const [order] = await exchange.fetchOpenOrders("BTC/USDT", undefined, undefined, { clientOrderId });
    return order ?? {};
  },
  clientOrderId: (n) => `00000000-0000-4000-8000-00000000000${n}`,
  alterInspect: {
    path: url("GetApiKeyInfo", to("BalanceEx")),
    nonce: body(/nonce=\d+/, nextDigit),
    signature: header("api-sign", flipBase64Bit),
  },
  alterOrder: {
    path: url("AddOrder", to("CancelOrder")),
    body: body(/volume=[\d.]+/, nextDigit),
    nonce: body(/nonce=\d+/, nextDigit),
    signature: header("api-sign", flipBase64Bit),
  },
  otherKey: (other) => header("api-key", to(other.apiKey)),
  refusals: [
    ["unknown_key", 200, { error: ["EAPI:Invalid key"] }],
    ["bad_signature", 200, { error: ["EAPI:Invalid signature"] }],
    ["expired_key", 200, { error: ["EAPI:Invalid key"] }],
    ["ip_not_allowed", 200, { error: ["EGeneral:Permission denied"] }],
    ["account_locked", 200, { error: ["EAuth:Account temporary disabled"] }],
    ["rate_limited", 200, { error: ["EAPI:Rate limit exceeded"] }],
    ["unavailable", 200, { error: ["EService:Unavailable"] }],
  ],
});

describe("kraken", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("tells what the key may do in its own words, to any working key", async () => {
    const key = simulator.control.addKey("kraken", {
      permissions: { read: false, trade: false, withdraw: true },
      boundIps: ["127.0.0.1"],
      expiresAt: "2999-01-01T00:00:00Z",
      extraWords: ["teleport-funds"],
    });
    const { exchange } = clientOf(kraken, simulator, key, { nonce });
    expect(await exchange.privatePostGetApiKeyInfo()).toMatchObject({
      error: [],
      result: {
        apiKey: key.apiKey,
        permissions: ["withdraw-funds", "teleport-funds"],
        ipAllowlist: ["127.0.0.1"],
        validUntil: String(Date.parse("2999-01-01T00:00:00Z") / 1000),
      },
    });
    await expect(exchange.privatePostBalanceEx()).rejects.toThrow("EGeneral:Permission denied");
  });

  test("refuses a nonce that does not rise, and goes on from the highest", async () => {
    const key = simulator.control.addKey("kraken");
    const client = clientOf(kraken, simulator, key, { nonce });
    const first = await client.signed((exchange) => exchange.privatePostGetApiKeyInfo());
    const second = await client.signed((exchange) => exchange.privatePostGetApiKeyInfo());
    const refusals = [];
    for (const sent of [first, first, second, first, second]) {
      await send(sent);
      refusals.push(simulator.control.requests().at(-1)?.refusal);
    }
    expect(refusals).toEqual([null, "bad_nonce", null, "bad_nonce", "bad_nonce"]);
  });

  test("finds an order that is no longer open by its client order id among the closed", async () => {
    const { exchange } = clientOf(kraken, simulator, simulator.control.addKey("kraken"), { nonce });
    await exchange.createOrder("ETH/USDT", "market", "sell", 1, undefined, { clientOrderId: "short-text" });
    expect(await exchange.privatePostClosedOrders({ cl_ord_id: "short-text" })).toMatchObject({
      result: { count: 1 },
    });
    expect(await exchange.privatePostOpenOrders({ cl_ord_id: "short-text" })).toMatchObject({
      result: { open: {} },
    });
  });

  test("refuses a client order id that is neither a UUID nor short", async () => {
    const { exchange } = clientOf(kraken, simulator, simulator.control.addKey("kraken"), { nonce });
    const clientOrderId = "nineteen-characters";
    await expect(
      exchange.createOrder("ETH/USDT", "market", "sell", 1, undefined, { clientOrderId }),
    ).rejects.toThrow("EGeneral:Invalid arguments");
  });
});
