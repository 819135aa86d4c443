import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Answer } from "../../../../src/venues/process/protocol.ts";
import { Loopback, type Received } from "../loopback.ts";
import { credentialsOf, performerAt, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
});

beforeEach(() => {
  venue.forget();
  perform = performerAt(venue.url);
});

afterAll(() => venue[Symbol.asyncDispose]());

const clientOrderId = "0123456789abcdef0123456789abcdef";

/** Answers by the beginning of the path; anything else is an empty market list. */
function answer(routes: Readonly<Record<string, unknown>>, otherwise: unknown): void {
  venue.reply((request: Received, response) => {
    const path = Object.keys(routes).find((start) => request.url.startsWith(start));
    response.end(JSON.stringify(path === undefined ? otherwise : routes[path]));
  });
}

function find(id: string, symbol = "BTC/USDT"): Promise<Answer> {
  const order = { clientOrderId, symbol };
  return perform({ venue: id, environment: "live", verb: "findOrder", order }, credentialsOf(id));
}

describe("an order at Kraken", () => {
  const pairs = {
    XBTUSDT: {
      altname: "XBTUSDT",
      wsname: "XBT/USDT",
      base: "XXBT",
      quote: "USDT",
      pair_decimals: 1,
      lot_decimals: 8,
      fees: [[0, 0.4]],
      fees_maker: [[0, 0.25]],
      leverage_buy: [],
      status: "online",
    },
  };
  const order = (id: string) => ({
    cl_ord_id: id,
    status: "open",
    opentm: 1,
    descr: { pair: "XBTUSDT", type: "buy", ordertype: "limit", price: "1" },
    vol: "1",
    vol_exec: "0",
    cost: "0",
    fee: "0",
    price: "0",
  });
  const markets = { "/0/public/AssetPairs": { error: [], result: pairs } };
  const nothing = { error: [], result: {} };
  const open = (list: object) => ({ "/0/private/OpenOrders": { error: [], result: { open: list } } });
  const closed = (list: object) => ({ "/0/private/ClosedOrders": { error: [], result: { closed: list } } });

  test("is looked for among the open ones and then among the closed ones", async () => {
    answer({ ...markets, ...open({}), ...closed({ "OABC-1": order(clientOrderId) }) }, nothing);
    expect(await find("kraken")).toMatchObject({ outcome: "done", result: { id: "OABC-1" } });
  });

  test("is absent when both lists are there and without it", async () => {
    answer({ ...markets, ...open({}), ...closed({}) }, nothing);
    expect(await find("kraken")).toEqual({ outcome: "absent" });
  });

  test.each([
    ["the first list is missing", { ...closed({}) }],
    ["the second list is missing", { ...open({}) }],
    ["another order is shown for it", { ...open({ "OABC-2": order("f".repeat(32)) }) }],
  ])("is uncertain when %s", async (_name, lists) => {
    answer({ ...markets, ...lists }, nothing);
    expect(await find("kraken")).toMatchObject({ outcome: "unexpected_answer" });
  });
});

describe("an order at Coinbase", () => {
  const product = {
    product_id: "BTC-USDT",
    base_currency_id: "BTC",
    quote_currency_id: "USDT",
    base_increment: "0.00000001",
    price_increment: "0.01",
    quote_increment: "0.01",
    status: "online",
    product_type: "SPOT",
  };
  const lists = {
    "/v2/currencies": { data: [] },
    "/api/v3/brokerage/market/products?product_type": { products: [] },
    "/api/v3/brokerage/market/products": { products: [product] },
    "/api/v3/brokerage/products": { products: [product] },
    "/v2/exchange-rates": { data: { rates: {} } },
  };
  const orders = "/api/v3/brokerage/orders/historical/batch";
  const order = {
    order_id: "7",
    client_order_id: clientOrderId,
    product_id: "BTC-USDT",
    side: "BUY",
    status: "OPEN",
    created_time: "2026-11-20T10:00:00Z",
    order_configuration: { limit_limit_gtc: { base_size: "1", limit_price: "40000", post_only: false } },
    filled_size: "0",
    total_fees: "0",
  };

  test("is picked from the market's orders", async () => {
    const page = { orders: [{ ...order, order_id: "6", client_order_id: "x" }, order], has_next: true };
    answer({ ...lists, [orders]: page }, {});
    expect(await find("coinbase")).toMatchObject({ outcome: "done", result: { id: "7" } });
    expect(venue.received.at(-1)?.url).toContain("product_ids=BTC-USDT");
  });

  test("is absent when the whole list is without it", async () => {
    answer({ ...lists, [orders]: { orders: [], has_next: false } }, {});
    expect(await find("coinbase")).toEqual({ outcome: "absent" });
  });

  test.each([
    ["the list goes on", { orders: [], has_next: true }],
    ["there is no list", { hello: "world" }],
  ])("is uncertain when %s", async (_name, page) => {
    answer({ ...lists, [orders]: page }, {});
    expect(await find("coinbase")).toMatchObject({ outcome: "unexpected_answer" });
  });
});

describe("an order at Bybit", () => {
  const instrument = {
    symbol: "BTCUSDT",
    baseCoin: "BTC",
    quoteCoin: "USDT",
    status: "Trading",
    lotSizeFilter: { basePrecision: "0.000001", minOrderQty: "0.000001" },
    priceFilter: { tickSize: "0.01" },
  };
  const perpetual = { ...instrument, contractType: "LinearPerpetual", settleCoin: "USDT", launchTime: "1" };
  const list = (...items: object[]) => ({ retCode: 0, retMsg: "OK", result: { list: items } });
  const order = {
    orderId: "7",
    orderLinkId: clientOrderId,
    symbol: "BTCUSDT",
    side: "Buy",
    orderStatus: "Filled",
  };
  const markets = {
    "/v5/market/instruments-info?category=spot": list(instrument),
    "/v5/market/instruments-info?category=linear": list(perpetual),
  };

  test.each([
    ["BTC/USDT", "spot"],
    ["BTC/USDT:USDT", "linear"],
  ])("of %s is looked for in %s, first among the live ones", async (symbol, category) => {
    answer({ ...markets, "/v5/order/history": list(order) }, list());
    expect(await find("bybit", symbol)).toMatchObject({ outcome: "done", result: { id: "7", symbol } });
    const asked = venue.received.map(({ url }) => url).filter((url) => url.startsWith("/v5/order"));
    expect(asked).toHaveLength(2);
    for (const url of asked) {
      expect(url).toContain(`category=${category}`);
      expect(url).toContain(`orderLinkId=${clientOrderId}`);
    }
  });

  test("is absent when both lists are there and without it", async () => {
    answer(markets, list());
    expect(await find("bybit")).toEqual({ outcome: "absent" });
  });
});

describe("an order at Bitget", () => {
  const symbol = {
    symbol: "BTCUSDT",
    baseCoin: "BTC",
    quoteCoin: "USDT",
    pricePrecision: "2",
    quantityPrecision: "6",
    status: "online",
  };
  const success = (data: unknown) => ({ code: "00000", msg: "success", data });
  const markets = { "/api/v2/spot/public/symbols": success([symbol]) };
  const path = "/api/v2/spot/trade/orderInfo";
  const classic = { "/api/v3/account/settings": { code: "40084", msg: "Not a unified account", data: null } };

  test.each([
    [success([]), "absent"],
    [{ code: "43001", msg: "The order does not exist", data: null }, "absent"],
    [{ code: "40109", msg: "The data of the order cannot be found", data: null }, "absent"],
    [{ code: "40006", msg: "Invalid ACCESS_KEY", data: null }, "rejected"],
    [{ msg: "hello" }, "unexpected_answer"],
  ])("with %j is %s", async (body, outcome) => {
    answer({ ...markets, ...classic, [path]: body }, success([]));
    expect((await find("bitget")).outcome).toBe(outcome);
  });
});
