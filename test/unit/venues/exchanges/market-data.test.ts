import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { operationPermit } from "../../../../src/venues/ccxt/gate.ts";
import { exchangeList } from "../../../../src/venues/ccxt/list.ts";
import { findOperation, operations } from "../../../../src/venues/operations.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, performerAt, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});
beforeEach(() => venue.forget());
afterAll(() => venue[Symbol.asyncDispose]());

const names = ["fetchTicker", "fetchOHLCV", "fetchOrderBook"];

function invoke(id: string, operation: string, params: Record<string, unknown>) {
  const invocation = { operation, params };
  const job = { venue: id, environment: "live", verb: "invoke", invocation } as const;
  return perform(job, credentialsOf(id));
}

const received = () => new URL(venue.received[0]?.url ?? "", venue.url);

describe("market data", () => {
  test("is read, and is nothing else", () => {
    for (const name of names) {
      expect(operations.find((operation) => operation.name === name)).toMatchObject({ class: "read" });
    }
  });

  test.each([
    ["fetchOHLCV", { symbol: "ETH/USDT", timeframe: "15m", since: 1, limit: 1000 }, true],
    ["fetchOHLCV", { symbol: "ETH/USDT" }, true],
    ["fetchOHLCV", { symbol: "ETH/USDT", timeframe: "1M" }, true],
    ["fetchOHLCV", { symbol: "ETH/USDT", timeframe: "1m/../x" }, false],
    ["fetchOHLCV", { symbol: "ETH/USDT", timeframe: "0m" }, false],
    ["fetchOHLCV", { symbol: "ETH/USDT", timeframe: "hour" }, false],
    ["fetchOHLCV", { symbol: "ETH/USDT", limit: 0 }, false],
    ["fetchOHLCV", { symbol: "ETH/USDT", price: "mark" }, false],
    ["fetchOrderBook", { symbol: "ETH/USDT", limit: 20 }, true],
    ["fetchOrderBook", { symbol: "ETH?USDT" }, false],
    ["fetchOrderBook", {}, false],
    ["fetchTicker", { symbol: "O:SPY251219C00650000" }, true],
    ["fetchTicker", { symbol: "SPY/../x" }, false],
  ])("takes symbol, timeframe and limit of its grammar alone (%s %j)", (name, params, fits) => {
    const operation = findOperation({ operations: names }, name);
    expect(operation?.params.safeParse(params).success).toBe(fits);
  });

  test("may be asked for by reads alone, at every exchange that has it", async () => {
    const having = exchangeList.filter(({ operations: its }) => its.includes("fetchOrderBook"));
    expect(having.length).toBeGreaterThan(80);
    for (const { id, operations: its } of exchangeList) {
      for (const operation of operations.filter(({ name }) => names.includes(name) && its.includes(name))) {
        const permit = await operationPermit(id, operation);
        expect(permit.size, `${id} ${operation.name}`).toBeGreaterThan(0);
        const moving = [...permit].filter((request) =>
          /withdraw| POST order\b| DELETE | PUT /i.test(request),
        );
        expect(moving, `${id} ${operation.name}`).toEqual([]);
      }
    }
  });
});

describe("market data of Alpaca", () => {
  const quote = { ap: 191.2, as: 3, bp: 191.1, bs: 2 };
  const bar = (t: string, c: number) => ({ t, o: 188, h: 192, l: 187.5, c, v: 10, n: 4, vw: 190 });
  const snapshot = {
    latestTrade: { t: "2026-11-20T15:00:00Z", p: 191 },
    latestQuote: quote,
    dailyBar: bar("2026-11-20T05:00:00Z", 191),
    prevDailyBar: bar("2026-11-19T05:00:00Z", 188),
  };

  test("shows the price of a share, and the change since the day before", async () => {
    venue.sayJson(snapshot);
    expect(await invoke("alpaca", "fetchTicker", { symbol: "MSFT" })).toMatchObject({
      outcome: "done",
      result: { symbol: "MSFT", bid: 191.1, ask: 191.2, last: 191, high: 192, previousClose: 188, change: 3 },
    });
    expect(received().pathname).toBe("/v2/stocks/MSFT/snapshot");
  });

  test("shows that of a coin", async () => {
    venue.sayJson({ snapshots: { "SOL/USD": snapshot } });
    expect(await invoke("alpaca", "fetchTicker", { symbol: "SOL/USD" })).toMatchObject({
      result: { last: 191 },
    });
    expect(received().pathname).toBe("/v1beta3/crypto/us/snapshots");
    expect(received().searchParams.get("symbols")).toBe("SOL/USD");
  });

  test("shows the latest candles, the oldest first", async () => {
    const [first, second] = [bar("2026-11-20T15:00:00Z", 1), bar("2026-11-20T15:15:00Z", 2)];
    venue.sayJson({ bars: [second, first], symbol: "MSFT", next_page_token: null });
    const answer = await invoke("alpaca", "fetchOHLCV", { symbol: "MSFT", timeframe: "15m", limit: 2 });
    expect(answer).toEqual({
      outcome: "done",
      result: [
        [Date.parse(first.t), 188, 192, 187.5, 1, 10],
        [Date.parse(second.t), 188, 192, 187.5, 2, 10],
      ],
    });
    expect(received().pathname).toBe("/v2/stocks/MSFT/bars");
    expect(Object.fromEntries(received().searchParams)).toMatchObject({
      timeframe: "15Min",
      limit: "2",
      sort: "desc",
    });
  });

  test("shows candles from a time on, and none where there are none", async () => {
    venue.sayJson({ bars: null, symbol: "MSFT", next_page_token: null });
    const since = Date.parse("2026-11-01T00:00:00Z");
    const answer = await invoke("alpaca", "fetchOHLCV", { symbol: "MSFT", timeframe: "1M", since });
    expect(answer).toEqual({ outcome: "done", result: [] });
    expect(received().searchParams.get("start")).toBe("2026-11-01T00:00:00.000Z");
    expect(received().searchParams.get("timeframe")).toBe("1Month");
  });

  test("shows the order book of a coin, the best offers first, and has none of a share", async () => {
    const a = [
      { p: 12, s: 1 },
      { p: 11, s: 2 },
    ];
    const b = [
      { p: 9, s: 1 },
      { p: 10, s: 2 },
    ];
    venue.sayJson({ orderbooks: { "SOL/USD": { t: "2026-11-20T15:00:00Z", a, b } } });
    expect(await invoke("alpaca", "fetchOrderBook", { symbol: "SOL/USD", limit: 1 })).toMatchObject({
      result: { asks: [[11, 2]], bids: [[10, 2]] },
    });
    expect(await invoke("alpaca", "fetchOrderBook", { symbol: "MSFT" })).toMatchObject({
      outcome: "refused",
      unsent: true,
      message: expect.stringContaining("shares have no order book"),
    });
  });

  test.each([
    ["fetchTicker", { symbol: "MSFT" }, 200, { latestTrade: {} }, "unexpected_answer"],
    ["fetchTicker", { symbol: "SOL/USD" }, 200, { snapshots: {} }, "unexpected_answer"],
    ["fetchOHLCV", { symbol: "MSFT", timeframe: "1y" }, 200, {}, "refused"],
    ["fetchTicker", { symbol: "MSFT" }, 400, { message: "invalid symbol: MSFT" }, "refused"],
    ["fetchTicker", { symbol: "MSFT" }, 429, { message: "too many requests" }, "rate_limited"],
  ])("answers %s %j with %i %j: %s", async (operation, params, status, body, outcome) => {
    venue.sayJson(body, status);
    expect((await invoke("alpaca", operation, params)).outcome).toBe(outcome);
  });
});

describe("market data of Massive", () => {
  const session = { open: 1.08, high: 1.1, low: 1.07, close: 1.09, change: 0.01, previous_close: 1.08 };

  test("shows a price of any class of asset", async () => {
    const last_quote = { bid: 1.0899, ask: 1.0901 };
    venue.sayJson({ status: "OK", results: [{ ticker: "C:EURUSD", session, last_quote }] });
    expect(await invoke("massive", "fetchTicker", { symbol: "C:EURUSD" })).toMatchObject({
      outcome: "done",
      result: { symbol: "C:EURUSD", bid: 1.0899, ask: 1.0901, last: 1.09, previousClose: 1.08 },
    });
    expect(received().pathname).toBe("/v3/snapshot");
    expect(received().searchParams.get("ticker.any_of")).toBe("C:EURUSD");
  });

  test("says what it says of a ticker that it does not know", async () => {
    venue.sayJson({
      status: "OK",
      results: [{ ticker: "ZZZZ", error: "NOT_FOUND", message: "Ticker not found." }],
    });
    expect(await invoke("massive", "fetchTicker", { symbol: "ZZZZ" })).toEqual({
      outcome: "refused",
      message: "Massive: Ticker not found.",
    });
  });

  test("shows candles, the oldest first, no more than were asked for", async () => {
    const results = [3, 2, 1].map((t) => ({ t, o: 1, h: 2, l: 0.5, c: 1.5, v: 7 }));
    venue.sayJson({ status: "OK", results });
    const answer = await invoke("massive", "fetchOHLCV", { symbol: "X:ETHUSD", timeframe: "5m", limit: 2 });
    expect(answer).toEqual({
      outcome: "done",
      result: [
        [2, 1, 2, 0.5, 1.5, 7],
        [3, 1, 2, 0.5, 1.5, 7],
      ],
    });
    expect(received().pathname).toMatch(/^\/v2\/aggs\/ticker\/X%3AETHUSD\/range\/5\/minute\/\d+\/\d+$/);
  });

  test("has a plan that lacks it for a missing permission, not for a bad key", async () => {
    venue.sayJson({ status: "NOT_AUTHORIZED", message: "You are not entitled to this data." }, 403);
    expect((await invoke("massive", "fetchTicker", { symbol: "AAPL" })).outcome).toBe(
      "insufficient_permission",
    );
  });
});
