import { z } from "zod";
import { candlesParams, lengthOf, orderBookParams, tickerParams } from "../../operations.ts";
import type { Invocation } from "../../venue.ts";

// docs.alpaca.markets: Market Data API (stocks v2: snapshots, historical bars; crypto v1beta3: snapshots,
// historical bars, latest orderbooks). It takes the keys of both environments, at a host of its own.

export const dataHost = "https://data.alpaca.markets";

/**
 * What is read of the market, and how the answer is shown; a text says why it cannot be read at all.
 * `undefined` for any other operation.
 */
export function marketRead(
  { operation, params }: Invocation,
  now: number,
): Readonly<{ path: string; show: (json: unknown) => unknown }> | string | undefined {
  switch (operation) {
    case "fetchTicker":
      return ticker(tickerParams.parse(params).symbol);
    case "fetchOHLCV":
      return candles(candlesParams.parse(params), now);
    case "fetchOrderBook":
      return orderBook(orderBookParams.parse(params));
    default:
      return undefined;
  }
}

/** A pair is crypto, anything else a share. */
function isCrypto(symbol: string): boolean {
  return symbol.includes("/");
}

function ticker(symbol: string) {
  if (!isCrypto(symbol)) {
    const path = `/v2/stocks/${encodeURIComponent(symbol)}/snapshot`;
    return { path, show: (json: unknown) => showTicker(symbol, json) };
  }
  const path = `/v1beta3/crypto/us/snapshots?${new URLSearchParams({ symbols: symbol }).toString()}`;
  return { path, show: (json: unknown) => showTicker(symbol, ofSymbol("snapshots", symbol, json)) };
}

function candles({ symbol, timeframe, since, limit = 100 }: z.infer<typeof candlesParams>, now: number) {
  const unit = units[timeframe.slice(-1)];
  if (unit === undefined) return `candles have no timeframe ${timeframe} here`;
  const query = new URLSearchParams({ timeframe: `${timeframe.slice(0, -1)}${unit}`, limit: String(limit) });
  if (since === undefined) {
    // The latest ones: from long enough ago that a closed market leaves as many.
    query.set("start", new Date(now - 4 * limit * lengthOf(timeframe) - 7 * lengthOf("1d")).toISOString());
    query.set("sort", "desc");
  } else query.set("start", new Date(since).toISOString());
  const show = (bars: unknown) => barList.parse(bars ?? []).toSorted(([one], [two]) => one - two);
  if (!isCrypto(symbol)) {
    const path = `/v2/stocks/${encodeURIComponent(symbol)}/bars?${query.toString()}`;
    return { path, show: (json: unknown) => show(z.looseObject({ bars: z.unknown() }).parse(json).bars) };
  }
  query.set("symbols", symbol);
  const path = `/v1beta3/crypto/us/bars?${query.toString()}`;
  return {
    path,
    show: (json: unknown) =>
      show(z.looseObject({ bars: z.record(z.string(), z.unknown()) }).parse(json).bars[symbol]),
  };
}

/** Alpaca's words for the units of a timeframe; it has no seconds and no years. */
const units: Readonly<Record<string, string>> = { m: "Min", h: "Hour", d: "Day", w: "Week", M: "Month" };

function orderBook({ symbol, limit }: z.infer<typeof orderBookParams>) {
  if (!isCrypto(symbol)) return "shares have no order book here; fetchTicker shows the best bid and ask";
  const path = `/v1beta3/crypto/us/latest/orderbooks?${new URLSearchParams({ symbols: symbol }).toString()}`;
  return {
    path,
    show: (json: unknown) => showOrderBook(symbol, limit, ofSymbol("orderbooks", symbol, json)),
  };
}

function ofSymbol(name: string, symbol: string, json: unknown): unknown {
  return z.record(z.string(), z.record(z.string(), z.unknown())).parse(json)[name]?.[symbol];
}

const bar = z.looseObject({
  t: z.string(),
  o: z.number(),
  h: z.number(),
  l: z.number(),
  c: z.number(),
  v: z.number(),
});
const barList = z.array(bar.transform(({ t, o, h, l, c, v }) => [Date.parse(t), o, h, l, c, v] as const));

const snapshot = z.looseObject({
  latestTrade: z.looseObject({ t: z.string(), p: z.number() }),
  latestQuote: z.looseObject({ ap: z.number(), as: z.number(), bp: z.number(), bs: z.number() }),
  dailyBar: bar.nullish(),
  prevDailyBar: bar.nullish(),
});

function showTicker(symbol: string, json: unknown): unknown {
  const {
    latestTrade: trade,
    latestQuote: quote,
    dailyBar: day,
    prevDailyBar: before,
  } = snapshot.parse(json);
  const change = before == null ? undefined : trade.p - before.c;
  return {
    symbol,
    timestamp: Date.parse(trade.t),
    datetime: trade.t,
    bid: quote.bp,
    bidVolume: quote.bs,
    ask: quote.ap,
    askVolume: quote.as,
    last: trade.p,
    close: trade.p,
    open: day?.o,
    high: day?.h,
    low: day?.l,
    baseVolume: day?.v,
    previousClose: before?.c,
    change,
    percentage: change === undefined || before == null ? undefined : (100 * change) / before.c,
    info: json,
  };
}

const level = z.looseObject({ p: z.number(), s: z.number() }).transform(({ p, s }) => [p, s] as const);
const book = z.looseObject({ t: z.string(), a: z.array(level), b: z.array(level) });

function showOrderBook(symbol: string, limit: number | undefined, json: unknown): unknown {
  const { t, a, b } = book.parse(json);
  const bids = b.toSorted(([one], [two]) => two - one).slice(0, limit);
  const asks = a.toSorted(([one], [two]) => one - two).slice(0, limit);
  return { symbol, bids, asks, timestamp: Date.parse(t), datetime: t, nonce: undefined };
}
