import { z } from "zod";
import { lengthOf } from "./candles.ts";
import { candlesParams, tickerParams } from "./operations.ts";
import type { Invocation } from "./venue.ts";

// massive.com/docs: "Unified Snapshot" (all classes of assets), "Custom Bars". Tickers are Massive's own: AAPL, X:BTCUSD, C:EURUSD.

type Read = Readonly<{ path: string; show: (json: unknown) => unknown }>;

/** The request of an operation on market data; `undefined` for any other operation. */
export function marketRead({ operation, params }: Invocation, now: number): Read | undefined {
  if (operation === "fetchTicker") return ticker(tickerParams.parse(params).symbol);
  return operation === "fetchOHLCV" ? candles(candlesParams.parse(params), now) : undefined;
}

function ticker(symbol: string): Read {
  const query = new URLSearchParams({ "ticker.any_of": symbol });
  return { path: `/v3/snapshot?${query.toString()}`, show: (json) => showTicker(symbol, json) };
}

const units: Readonly<Record<string, string>> = {
  s: "second",
  m: "minute",
  h: "hour",
  d: "day",
  w: "week",
  M: "month",
  y: "year",
};

function candles(
  { symbol, timeframe, since, limit = 100 }: z.infer<typeof candlesParams>,
  now: number,
): Read {
  // The latest ones: from long enough ago that a closed market leaves as many.
  const from = since ?? now - 4 * limit * lengthOf(timeframe) - 7 * lengthOf("1d");
  const range = `${timeframe.slice(0, -1)}/${units[timeframe.slice(-1)]}/${from}/${now}`;
  // Its limit counts the minutes or days that bars are made of, so the bars are counted here.
  const query = new URLSearchParams({ sort: since === undefined ? "desc" : "asc", limit: "50000" });
  return {
    path: `/v2/aggs/ticker/${encodeURIComponent(symbol)}/range/${range}?${query.toString()}`,
    show: (json) =>
      bars
        .parse(json)
        .results.slice(0, limit)
        .toSorted(([one], [two]) => one - two),
  };
}

const bar = z.looseObject({
  t: z.number(),
  o: z.number(),
  h: z.number(),
  l: z.number(),
  c: z.number(),
  v: z.number().optional(),
});
const bars = z.looseObject({
  results: z
    .array(bar.transform(({ t, o, h, l, c, v }) => [t, o, h, l, c, v ?? 0] as const))
    .optional()
    .default([]),
});

const amount = z.number().nullish();
const snapshot = z.looseObject({
  ticker: z.string(),
  session: z.looseObject({
    open: amount,
    high: amount,
    low: amount,
    close: amount,
    volume: amount,
    change: amount,
    change_percent: amount,
    previous_close: amount,
  }),
  last_quote: z.looseObject({ bid: amount, bid_size: amount, ask: amount, ask_size: amount }).nullish(),
  last_trade: z.looseObject({ price: amount }).nullish(),
});
const unknownTicker = z.looseObject({ error: z.string(), message: z.string() });
const snapshots = z.looseObject({ results: z.tuple([z.unknown()]) });

/** Throws `RangeError` with the venue's words for a ticker that it does not know. */
function showTicker(symbol: string, json: unknown): unknown {
  const [found] = snapshots.parse(json).results;
  const unknown = unknownTicker.safeParse(found).data;
  if (unknown !== undefined) throw new RangeError(unknown.message);
  const { session, last_quote: quote, last_trade: trade } = snapshot.parse(found);
  const last = trade?.price ?? session.close;
  return {
    symbol,
    bid: quote?.bid,
    bidVolume: quote?.bid_size,
    ask: quote?.ask,
    askVolume: quote?.ask_size,
    last,
    close: last,
    open: session.open,
    high: session.high,
    low: session.low,
    baseVolume: session.volume,
    previousClose: session.previous_close,
    change: session.change,
    percentage: session.change_percent,
    info: json,
  };
}
