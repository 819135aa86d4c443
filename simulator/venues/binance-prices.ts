import type { Market } from "../accounts.ts";
import { bookOf, candleStarts, marketNamed, open, quoteOf, stepOf } from "../market-data.ts";
import { ok } from "../refusal.ts";
import type { Route } from "../venue.ts";

// Sources: binance-spot-api-docs rest-api.md (24hr ticker, klines, order book).

export const priceRoutes = (markets: readonly Market[]): readonly Route[] => [
  open("/api/v3/ticker/24hr", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("symbol"));
    const { last, bid, ask, size, volume } = quoteOf(market);
    return ok({
      symbol: market.id,
      lastPrice: last,
      openPrice: last,
      highPrice: last,
      lowPrice: last,
      prevClosePrice: last,
      priceChange: "0",
      priceChangePercent: "0",
      bidPrice: bid,
      bidQty: size,
      askPrice: ask,
      askQty: size,
      volume,
      openTime: nowMs - 86_400_000,
      closeTime: nowMs,
    });
  }),
  open("/api/v3/klines", ({ text, nowMs }) => {
    const { last } = quoteOf(marketNamed(markets, text("symbol")));
    const stepMs = stepOf(text("interval"));
    return ok(
      candleStarts({ nowMs, stepMs, limit: text("limit") }).map((start) => [
        start,
        last,
        last,
        last,
        last,
        "1",
        start + stepMs - 1,
        last,
      ]),
    );
  }),
  open("/api/v3/depth", ({ text }) =>
    ok({ lastUpdateId: 1, ...bookOf(marketNamed(markets, text("symbol")), text("limit")) }),
  ),
];
