import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findOperation } from "../../../src/venues/operations.ts";
import type { Answer } from "../../../src/venues/process/protocol.ts";
import { Loopback, type Received } from "./loopback.ts";
import { credentialsOf, performerAt, type Perform } from "./samples.ts";

const market = {
  symbol: "BTCUSDT",
  status: "TRADING",
  baseAsset: "BTC",
  baseAssetPrecision: 8,
  quoteAsset: "USDT",
  quotePrecision: 8,
  orderTypes: ["LIMIT", "MARKET"],
  isSpotTradingAllowed: true,
  permissions: ["SPOT"],
  filters: [
    { filterType: "PRICE_FILTER", minPrice: "0.01", maxPrice: "1000000", tickSize: "0.01" },
    { filterType: "LOT_SIZE", minQty: "0.00001", maxQty: "9000", stepSize: "0.00001" },
  ],
};

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
});

beforeEach(() => {
  venue.forget();
  // A market list of its own for each test.
  perform = performerAt(venue.url);
});

afterAll(() => venue[Symbol.asyncDispose]());

const isMarketList = ({ url }: Received) => url.includes("/exchangeInfo");

/** Market lists as they are, everything else as the test says. */
function answer(status: number, body: unknown): void {
  venue.reply((request, response) => {
    const isAccount = !isMarketList(request);
    const symbols = request.url.startsWith("/api/v3/") ? [market] : [];
    response.writeHead(isAccount ? status : 200);
    response.end(
      isAccount && typeof body === "string" ? body : JSON.stringify(isAccount ? body : { symbols }),
    );
  });
}

const order = { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.5", price: "40000" };
const clientOrderId = "0123456789abcdef0123456789abcdef";

function invoke(operation: string, params: Record<string, unknown> = {}, id?: string): Promise<Answer> {
  const invocation = { operation, params, ...(id === undefined ? {} : { clientOrderId: id }) };
  return perform(
    { venue: "binance", environment: "live", verb: "invoke", invocation },
    credentialsOf("binance"),
  );
}

const calls = () => venue.received.filter((request) => !isMarketList(request));

describe("an order", () => {
  const placed = { symbol: "BTCUSDT", orderId: 7, clientOrderId, status: "NEW", side: "BUY", type: "LIMIT" };

  test("is sent once, with its client order id and every digit of its amounts", async () => {
    answer(200, placed);
    const exact = { ...order, amount: "0.12345", price: "40000.01" };
    expect(await invoke("createOrder", exact, clientOrderId)).toMatchObject({
      outcome: "done",
      result: { id: "7", clientOrderId },
    });
    expect(calls()).toHaveLength(1);
    const sent = new URLSearchParams(calls()[0]?.body);
    expect(Object.fromEntries(sent)).toMatchObject({
      newClientOrderId: clientOrderId,
      quantity: "0.12345",
      price: "40000.01",
      side: "BUY",
      type: "LIMIT",
      timeInForce: "GTC",
    });
  });

  test("carries its options by their unified names", async () => {
    answer(200, placed);
    await invoke("createOrder", { ...order, timeInForce: "IOC" }, clientOrderId);
    expect(new URLSearchParams(calls()[0]?.body).get("timeInForce")).toBe("IOC");
  });

  test.each([
    ["a code for too little money", 400, { code: -2010, msg: "Account has insufficient balance." }],
    ["a code that nobody has heard of", 400, { code: -9999, msg: "No." }],
  ])("is refused by %s", async (_name, status, body) => {
    answer(status, body);
    expect(await invoke("createOrder", order, clientOrderId)).toEqual({
      outcome: "refused",
      message: `Binance: ${body.msg}`,
    });
  });

  test.each([
    ["an empty object", 200, {}, "unexpected_answer"],
    ["an object without an order in it", 200, { hello: "world" }, "unexpected_answer"],
    ["a page", 200, "<html></html>", "unexpected_answer"],
    ["nothing", 200, "", "unexpected_answer"],
    [
      "an execution that is not known",
      500,
      { code: -1006, msg: "Execution status unknown." },
      "venue_unavailable",
    ],
    ["a time-out behind the venue", 408, { code: -1007, msg: "Timeout waiting." }, "venue_unavailable"],
    ["a gateway's error", 502, "<html>502</html>", "venue_unavailable"],
    ["too many requests", 429, { code: -1003, msg: "Too many." }, "rate_limited"],
    ["a clock that is off", 400, { code: -1021, msg: "Timestamp." }, "clock_skew"],
    ["a wall", 403, "<html>403</html>", "blocked"],
  ])("is uncertain after %s", async (_name, status, body, outcome) => {
    answer(status, body);
    expect(await invoke("createOrder", order, clientOrderId)).toMatchObject({ outcome });
  });

  test.each([
    ["for a market that is not there", { ...order, symbol: "NOPE/USDT" }],
    ["below the least amount", { ...order, amount: "0.000000001" }],
  ])("%s is refused before it is sent", async (_name, params) => {
    answer(200, placed);
    expect((await invoke("createOrder", params, clientOrderId)).outcome).toBe("refused");
    expect(calls()).toEqual([]);
  });

  test("whose connection is reset is uncertain", async () => {
    venue.reply((request, response) => {
      if (isMarketList(request))
        response.end(JSON.stringify({ symbols: request.url.startsWith("/api") ? [market] : [] }));
      else response.socket?.destroy();
    });
    expect(await invoke("createOrder", order, clientOrderId)).toMatchObject({ outcome: "venue_unavailable" });
  });

  test("with a bad key is rejected", async () => {
    answer(401, { code: -2008, msg: "Invalid Api-Key ID." });
    expect(await invoke("createOrder", order, clientOrderId)).toMatchObject({
      outcome: "rejected",
      reason: "bad_key",
    });
  });

  test("with a key that may not trade is limited", async () => {
    answer(401, { code: -1002, msg: "You are not authorized." });
    expect(await invoke("createOrder", order, clientOrderId)).toMatchObject({
      outcome: "insufficient_permission",
    });
  });
});

describe("a read", () => {
  test("is refused with the venue's reason", async () => {
    answer(400, { code: -2013, msg: "Order does not exist." });
    expect(await invoke("fetchOrder", { id: "1", symbol: "BTC/USDT" })).toEqual({
      outcome: "refused",
      message: "Binance: Order does not exist.",
    });
  });

  test.each([
    ["an empty object", "{}"],
    ["a page", "<html></html>"],
  ])("that is answered with %s has no result", async (_name, body) => {
    answer(200, body);
    expect(await invoke("fetchBalance")).toMatchObject({ outcome: "unexpected_answer" });
  });

  test("of an operation that nobody has heard of is a fault of ours, and says nothing", async () => {
    answer(200, {});
    expect(await invoke("launchRocket")).toMatchObject({
      outcome: "unexpected_answer",
      message: expect.stringContaining("Keyhold could not complete the call"),
    });
  });
});

describe("every operation of the table asks the venue for what it names", () => {
  const usual = { symbol: "BTC/USDT", limit: 5 };
  const trade = {
    symbol: "BTCUSDT",
    id: 1,
    orderId: 2,
    price: "1",
    qty: "1",
    time: 1_700_000_000_000,
    isBuyer: true,
  };
  const placed = { symbol: "BTCUSDT", orderId: 7, status: "NEW", side: "BUY", type: "LIMIT" };

  test.each([
    ["fetchTicker", { symbol: "BTC/USDT" }, "GET /api/v3/ticker/24hr", { symbol: "BTCUSDT", lastPrice: "5" }],
    ["fetchOrder", { id: "7", symbol: "BTC/USDT" }, "GET /api/v3/order", placed],
    ["fetchOrders", usual, "GET /api/v3/allOrders", [placed]],
    ["fetchOpenOrders", usual, "GET /api/v3/openOrders", [placed]],
    ["fetchClosedOrders", usual, "GET /api/v3/allOrders", [{ ...placed, status: "FILLED" }]],
    ["fetchMyTrades", usual, "GET /api/v3/myTrades", [trade]],
    [
      "cancelOrder",
      { id: "7", symbol: "BTC/USDT" },
      "DELETE /api/v3/order",
      { ...placed, status: "CANCELED" },
    ],
    [
      "cancelAllOrders",
      { symbol: "BTC/USDT" },
      "DELETE /api/v3/openOrders",
      [{ ...placed, status: "CANCELED" }],
    ],
    [
      "transfer",
      { code: "USDT", amount: "5", fromAccount: "spot", toAccount: "future" },
      "POST /sapi/v1/asset/transfer",
      { tranId: 13_526_853_623 },
    ],
    [
      "withdraw",
      { code: "BTC", amount: "0.5", address: "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", network: "BTC" },
      "POST /sapi/v1/capital/withdraw/apply",
      { id: "9a67628b16ba4988ae20d329333f16bc" },
    ],
  ] as const)("%s", async (operation, params, sent, body) => {
    answer(200, body);
    expect(
      findOperation(
        { operations: [operation], transferAccounts: ["spot", "future"] },
        operation,
      )?.params.safeParse(params).success,
    ).toBe(true);
    expect(await invoke(operation, params)).toMatchObject({ outcome: "done" });
    const [only, ...more] = calls();
    expect(more).toEqual([]);
    expect(`${only?.method} ${only?.url.split("?")[0]}`).toBe(sent);
  });

  test("a withdrawal carries its address and its network as they were given", async () => {
    answer(200, { id: "1" });
    const address = "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq";
    await invoke("withdraw", { code: "BTC", amount: "0.5", address, tag: "77", network: "BTC" });
    const { url = "", body = "" } = calls()[0] ?? {};
    const text = new URLSearchParams(body === "" ? url.split("?")[1] : body);
    expect(Object.fromEntries(text)).toMatchObject({
      coin: "BTC",
      amount: "0.5",
      address,
      addressTag: "77",
      network: "BTC",
    });
  });
});

describe("market lists", () => {
  test("are loaded once for many calls and without a credential", async () => {
    answer(200, { accountType: "SPOT", balances: [{ asset: "BTC", free: "1", locked: "0" }] });
    await Promise.all(Array.from({ length: 5 }, () => invoke("fetchBalance")));
    const lists = venue.received.filter(isMarketList);
    expect(new Set(lists.map(({ url }) => url)).size).toBe(lists.length);
    expect(
      lists.every(({ headers, url }) => headers["x-mbx-apikey"] === undefined && !url.includes("signature")),
    ).toBe(true);
    expect(calls()).toHaveLength(5);
    expect(calls().every(({ headers }) => headers["x-mbx-apikey"] !== undefined)).toBe(true);
  });

  test("that could not be loaded are asked for again", async () => {
    venue.say({ status: 503, body: "later" });
    expect((await invoke("fetchBalance")).outcome).toBe("venue_unavailable");
    answer(200, { accountType: "SPOT", balances: [{ asset: "BTC", free: "1", locked: "0" }] });
    expect((await invoke("fetchBalance")).outcome).toBe("done");
  });

  test("that are late do not hold a call beyond its time, and serve the next", async () => {
    const held: ServerResponse[] = [];
    perform = performerAt(venue.url, { timeoutMs: 1500 });
    venue.reply((request, response) => {
      if (!isMarketList(request)) response.end(JSON.stringify({ accountType: "SPOT", balances: [] }));
      else held.push(response);
    });
    expect((await invoke("fetchBalance")).outcome).toBe("timeout");
    expect(held.length).toBeGreaterThan(0);
  });
});
