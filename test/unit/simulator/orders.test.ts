import {
  alpaca,
  binance,
  bitget,
  bybit,
  coinbase,
  type Exchange,
  gate,
  kraken,
  kucoin,
  mexc,
  okx,
} from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import type { VenueId } from "../../../simulator/venue.ts";
import { clientOf } from "./client.ts";

type Params = Readonly<Record<string, unknown>>;

type Case = Readonly<{
  venue: VenueId;
  venueClass: new (config: Record<string, unknown>) => Exchange;
  environment?: "paper";
  config?: Record<string, unknown>;
  symbol?: string;
  /** How ccxt is told, where the venue has it. */
  fok?: Params;
  postOnly?: Params;
  /** Which of them are refused where they cannot be done; the others are accepted and end at once. */
  refuses?: readonly ("fok" | "postOnly")[];
  /** Whether an order is cancelled under its symbol, and whether it is looked up under it. */
  bySymbol: "neither" | "cancel" | "both";
  /** Parameters that each make another order of it. */
  others: readonly Params[];
}>;

const [fok, postOnly] = [{ timeInForce: "FOK" }, { postOnly: true }];
const usdt = { fok, postOnly, symbol: "BTC/USDT" } as const;

let lastNonce = Date.now();

const cases: readonly Case[] = [
  {
    ...usdt,
    venue: "binance",
    venueClass: binance,
    refuses: ["postOnly"],
    bySymbol: "both",
    others: [{ icebergQty: "0.001" }, { pegPriceType: "PRIMARY_PEG" }],
  },
  {
    ...usdt,
    venue: "bybit",
    venueClass: bybit,
    config: { options: { enableUnifiedMargin: false, enableUnifiedAccount: true } },
    bySymbol: "cancel",
    others: [{ takeProfit: "70000" }, { isLeverage: 1 }, { orderFilter: "tpslOrder" }],
  },
  {
    ...usdt,
    venue: "okx",
    venueClass: okx,
    bySymbol: "both",
    others: [{ attachAlgoOrds: [{ tpTriggerPx: "70000" }] }, { tdMode: "cross" }],
  },
  {
    ...usdt,
    venue: "kucoin",
    venueClass: kucoin,
    bySymbol: "both",
    others: [{ hidden: true }, { cancelAfter: 60 }],
  },
  {
    ...usdt,
    venue: "bitget",
    venueClass: bitget,
    config: { options: { uta: false } },
    bySymbol: "cancel",
    others: [{ presetStopLossPrice: "30000" }, { tpslType: "tpsl" }],
  },
  {
    ...usdt,
    venue: "gate",
    venueClass: gate,
    refuses: ["fok", "postOnly"],
    bySymbol: "both",
    others: [{ iceberg: "0.001" }, { account: "margin" }],
  },
  {
    ...usdt,
    venue: "mexc",
    venueClass: mexc,
    bySymbol: "both",
    others: [{ icebergQty: "0.001" }],
  },
  {
    venue: "kraken",
    venueClass: kraken,
    config: { nonce: () => (lastNonce += 1) },
    postOnly,
    refuses: ["postOnly"],
    bySymbol: "neither",
    others: [{ validate: "true" }, { "close[ordertype]": "limit" }, { timeinforce: "GTD" }],
  },
  {
    ...usdt,
    venue: "coinbase",
    venueClass: coinbase,
    refuses: ["postOnly"],
    bySymbol: "neither",
    others: [{ leverage: "3" }, { stopPrice: 45_000 }],
  },
  {
    venue: "alpaca",
    venueClass: alpaca,
    environment: "paper",
    symbol: "BTC/USD",
    bySymbol: "neither",
    others: [{ order_class: "bracket" }, { take_profit: { limit_price: "70000" } }, { timeInForce: "fok" }],
  },
];

/** A bitcoin is 50,000: one buys no more than others ask, the other does. */
const [below, above] = [43_210, 56_780];

describe.each(cases)("an order at $venue", (given) => {
  const { venue, venueClass, environment = "live", symbol = "BTC/USDT", refuses = [], bySymbol } = given;
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const connect = (): Exchange => {
    const key = simulator.control.addKey(venue, { environment, account: "trader" });
    return clientOf(venueClass, simulator, key, given.config).exchange;
  };
  const account = () => simulator.control.account(venue, "trader", environment);
  const statuses = (): readonly string[] => account().orders.map(({ status }) => status);
  const buy = (exchange: Exchange, price: number, params: Params) =>
    exchange.createOrder(symbol, "limit", "buy", 0.02, price, { ...params });

  test.each([["IOC", { timeInForce: "IOC" }] as const, ...(given.fok ? [["FOK", given.fok] as const] : [])])(
    "that is %s is filled at once or not at all",
    async (name, params) => {
      const exchange = connect();
      const before = account().balances;
      const sent = buy(exchange, below, params);
      if (name === "FOK" && refuses.includes("fok")) await expect(sent).rejects.toThrow();
      else await sent;
      expect(statuses().filter((status) => status !== "expired")).toEqual([]);
      expect(account().balances).toEqual(before);
      expect(await exchange.fetchOpenOrders(symbol)).toEqual([]);
      await buy(exchange, above, params);
      expect(statuses().at(-1)).toBe("filled");
    },
  );

  test.runIf(given.postOnly !== undefined)("that is post-only rests, and never fills at once", async () => {
    const exchange = connect();
    await buy(exchange, below, given.postOnly ?? {});
    expect(statuses()).toEqual(["open"]);
    const sent = buy(exchange, above, given.postOnly ?? {});
    if (refuses.includes("postOnly")) await expect(sent).rejects.toThrow();
    else await sent;
    expect(statuses()).toEqual(refuses.includes("postOnly") ? ["open"] : ["open", "expired"]);
  });

  test.runIf(bySymbol !== "neither")("is unknown in another market than its own", async () => {
    const exchange = connect();
    const id = String((await buy(exchange, below, {})).id);
    await expect(exchange.cancelOrder(id, "ETH/USDT")).rejects.toThrow();
    expect(statuses()).toEqual(["open"]);
    if (bySymbol === "both") {
      await expect(exchange.fetchOrder(id, "ETH/USDT")).rejects.toThrow();
      expect((await exchange.fetchOrder(id, symbol)).id).toBe(id);
    }
    await exchange.cancelOrder(id, symbol);
    expect(statuses()).toEqual(["cancelled"]);
  });

  test.each(given.others)("that asks for %o is refused, and not taken for another", async (params) => {
    const exchange = connect();
    await expect(buy(exchange, below, params)).rejects.toThrow();
    expect(simulator.control.requests({ venue }).at(-1)?.refusal).toBe("malformed_request");
    expect(statuses()).toEqual([]);
    await buy(exchange, below, {});
    expect(statuses()).toEqual(["open"]);
  });
});
