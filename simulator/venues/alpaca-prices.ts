import { formatUnits } from "../decimal.ts";
import { bookOf, candleStarts, quoteOf, stepOf } from "../market-data.ts";
import { marketNamed } from "../markets.ts";
import type { Market } from "../orders.ts";
import { Refused, ok } from "../refusal.ts";
import type { Answer } from "../refusal.ts";
import type { Call, Route } from "../venue.ts";
import { isCrypto, markets } from "./alpaca-market.ts";

// Sources: docs.alpaca.markets (Market Data API: stocks v2, crypto v1beta3).

type Bar = Readonly<{
  t: string;
  o: number;
  h: number;
  l: number;
  c: number;
  v: number;
  n: number;
  vw: number;
}>;

function barAt(market: Market, startMs: number): Bar {
  const price = Number(formatUnits(market.price));
  return {
    t: new Date(startMs).toISOString(),
    o: price,
    h: price,
    l: price,
    c: price,
    v: 100,
    n: 1,
    vw: price,
  };
}

function snapshotOf(market: Market, nowMs: number): object {
  const { last, bid, ask } = quoteOf(market);
  const t = new Date(nowMs).toISOString();
  const today = nowMs - (nowMs % 86_400_000);
  return {
    latestTrade: { t, p: Number(last), s: 1 },
    latestQuote: { t, bp: Number(bid), bs: 10, ap: Number(ask), as: 10 },
    minuteBar: barAt(market, nowMs - (nowMs % 60_000)),
    dailyBar: barAt(market, today),
    prevDailyBar: barAt(market, today - 86_400_000),
  };
}

function barsOf(market: Market, { text, nowMs }: Call): readonly Bar[] {
  const starts = candleStarts({ nowMs, stepMs: stepOf(text("timeframe")), limit: text("limit") });
  const bars = starts.map((start) => barAt(market, start));
  return text("sort") === "desc" ? bars.toReversed() : bars;
}

/** A share of this name, or a pair of coins. */
function named(call: Call, parameter: "symbol" | "symbols"): Market {
  const market = marketNamed(markets, call.text(parameter));
  if (isCrypto(market) !== (parameter === "symbols")) throw new Refused("unknown_symbol");
  return market;
}

function crypto(name: string, show: (market: Market, call: Call) => unknown): (call: Call) => Answer {
  return (call) => {
    const market = named(call, "symbols");
    return ok({ [name]: { [market.id]: show(market, call) } });
  };
}

function showBook(market: Market, { nowMs }: Call): object {
  const levels = (side: ReturnType<typeof bookOf>["bids"]) =>
    side.map(([price, size]) => ({ p: Number(price), s: Number(size) }));
  const { bids, asks } = bookOf(market, undefined);
  return { t: new Date(nowMs).toISOString(), b: levels(bids), a: levels(asks) };
}

/** The data host takes keys of both environments; here each host has the paths beside its own. */
export const priceRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/v2/stocks/:symbol/snapshot",
    needs: "read",
    answer: (call) => ok(snapshotOf(named(call, "symbol"), call.nowMs)),
  },
  {
    method: "GET",
    path: "/v2/stocks/:symbol/bars",
    needs: "read",
    answer: (call) =>
      ok({ symbol: call.text("symbol"), bars: barsOf(named(call, "symbol"), call), next_page_token: null }),
  },
  {
    method: "GET",
    path: "/v1beta3/crypto/us/snapshots",
    needs: "read",
    answer: crypto("snapshots", (market, { nowMs }) => snapshotOf(market, nowMs)),
  },
  { method: "GET", path: "/v1beta3/crypto/us/bars", needs: "read", answer: crypto("bars", barsOf) },
  {
    method: "GET",
    path: "/v1beta3/crypto/us/latest/orderbooks",
    needs: "read",
    answer: crypto("orderbooks", showBook),
  },
];
