import { mexc } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { flipHexBit, header, nextDigit, to, url } from "./alter.ts";
import { clientOf } from "./client.ts";
import { venueSuite } from "./venue-suite.ts";

const signature = /(?<=signature=)[^&]+/;

venueSuite({
  venue: "mexc",
  environment: "live",
  venueClass: mexc,
  symbol: "BTC/USDT",
  inspect: (exchange, key) => exchange.spotPrivateGetApiKeyInfo({ accessKey: key.apiKey }),
  find: (exchange, clientOrderId) => exchange.fetchOrder("", "BTC/USDT", { clientOrderId }),
  clientOrderId: (n) => `keyhold-${n}`,
  alterInspect: {
    query: url(/recvWindow=\d+/, nextDigit),
    timestamp: url(/timestamp=\d+/, nextDigit),
    signature: url(signature, flipHexBit),
  },
  alterOrder: {
    query: url(/quantity=[\d.]+/, nextDigit),
    timestamp: url(/timestamp=\d+/, nextDigit),
    signature: url(signature, flipHexBit),
  },
  otherKey: (other) => header("x-mexc-apikey", to(other.apiKey)),
  refusals: [
    ["unknown_key", 400, { code: 10072 }],
    ["bad_signature", 400, { code: 700002 }],
    ["expired_key", 400, { code: 402 }],
    ["ip_not_allowed", 403, { code: 700006 }],
    ["account_locked", 403, { code: 60005 }],
    ["clock_skew", 400, { code: 700003 }],
    ["rate_limited", 429, { code: 429 }],
    ["unavailable", 503, { code: 503 }],
  ],
});

describe("mexc", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  test("takes a window of a minute, and none that is longer", async () => {
    const key = simulator.control.addKey("mexc");
    const ask = (recvWindow: number) =>
      clientOf(mexc, simulator, key, { options: { recvWindow } }).exchange.spotPrivateGetAccount();
    expect(await ask(60_000)).toMatchObject({ canTrade: true });
    await expect(ask(90_000)).rejects.toThrow("700004");
  });

  test("tells what the key may do in its own words, to any working key that names itself", async () => {
    const key = simulator.control.addKey("mexc", {
      permissions: { read: false, withdraw: true },
      boundIps: ["127.0.0.1"],
      expiresAt: new Date(Date.now() + 82.5 * 86_400_000).toISOString(),
      extraWords: ["SPOT_TELEPORT"],
    });
    const { exchange } = clientOf(mexc, simulator, key);
    expect(await exchange.spotPrivateGetApiKeyInfo({ accessKey: key.apiKey })).toMatchObject({
      permissions: "SPOT_DEAL_WRITE,SPOT_WITHDRAW_READ,SPOT_WITHDRAW_WRITE,SPOT_TELEPORT",
      ipWhiteList: "127.0.0.1",
      remainingValidity: 82,
      status: "VALID",
    });
    await expect(exchange.spotPrivateGetApiKeyInfo()).rejects.toThrow("700004");
    await expect(exchange.spotPrivateGetAccount()).rejects.toThrow("700007");
  });

  test("says of an order to cancel that it knows none", async () => {
    const { exchange } = clientOf(mexc, simulator, simulator.control.addKey("mexc"));
    await expect(exchange.cancelOrder("1", "BTC/USDT")).rejects.toThrow("-2011");
    await expect(exchange.fetchOrder("1", "BTC/USDT")).rejects.toThrow("-2013");
  });
});
