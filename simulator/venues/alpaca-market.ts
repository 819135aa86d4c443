import type { Account, Market } from "../accounts.ts";
import { formatUnits, units } from "../decimal.ts";
import { bookOf, candleStarts, marketNamed, quoteOf, stepOf } from "../market-data.ts";
import { type Answer, ok, Refused } from "../refusal.ts";
import type { Call, Route } from "../venue.ts";

// Sources: docs.alpaca.markets (assets, market clock, market calendar).

export const markets: readonly Market[] = [
  { id: "AAPL", base: "AAPL", quote: "USD", price: units("200") },
  { id: "BTC/USD", base: "BTC", quote: "USD", price: units("50000") },
  { id: "ETH/USD", base: "ETH", quote: "USD", price: units("2500") },
];

export const isCrypto = (market: Market): boolean => market.id.includes("/");
const assetIds = new Map(
  markets.map(({ id }, index) => [id, `00000000-0000-4000-8000-00000000000${index + 1}`]),
);
export const assetId = (market: Market): string => assetIds.get(market.id) ?? "";
export const assetClass = (market: Market): string => (isCrypto(market) ? "crypto" : "us_equity");
export const exchangeOf = (market: Market): string => (isCrypto(market) ? "CRYPTO" : "NASDAQ");

const showAsset = (market: Market) => ({
  id: assetId(market),
  class: assetClass(market),
  exchange: exchangeOf(market),
  symbol: market.id,
  name: market.base,
  status: "active",
  tradable: true,
  marginable: false,
  shortable: false,
  easy_to_borrow: false,
  fractionable: true,
  min_order_size: "0.0001",
  min_trade_increment: "0.0001",
  price_increment: "0.01",
  attributes: [],
});

export function listAssets({ text }: Call): Answer {
  const [status, wanted, exchange] = [text("status"), text("asset_class"), text("exchange")];
  const found = markets
    .map(showAsset)
    .filter((asset) => (status ?? asset.status) === asset.status)
    .filter((asset) => (wanted ?? asset.class) === asset.class)
    .filter((asset) => (exchange ?? asset.exchange) === asset.exchange);
  return ok(found);
}

/** By its id, or by its symbol, which pairs may leave the slash out of. */
export function marketCalled(name: string | undefined): Market | undefined {
  return markets.find((market) =>
    [assetId(market), market.id, market.id.replace("/", "")].includes(name ?? ""),
  );
}

/** alpaca-py leaves the slash of a pair as it is, so that its symbol takes two parts of the path. */
export function oneAsset({ text }: Call): Answer {
  const name = [text("name"), text("quote")].filter((part) => part !== undefined).join("/");
  const market = marketCalled(name);
  if (market === undefined) {
    const message = `asset not found for ${name}`;
    throw new Refused("unknown_symbol", { status: 404, body: { code: 40410000, message } });
  }
  return ok(showAsset(market));
}

const dayMs = 86_400_000;
const mostDays = 3660;
const usualDays = 30;
const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/**
 * The exchange never closes here: one session follows the other at midnight UTC, so that no test depends on
 * the hour.
 */
export function clock({ nowMs }: Call): Answer {
  const midnight = new Date((Math.floor(nowMs / dayMs) + 1) * dayMs).toISOString();
  return ok({
    timestamp: new Date(nowMs).toISOString(),
    is_open: true,
    next_open: midnight,
    next_close: midnight,
  });
}

/** Its sessions, one a day; the calendar of the venue has no 24:00. */
export function calendar({ text, nowMs }: Call): Answer {
  const start = Date.parse(text("start")?.slice(0, 10) ?? isoDay(nowMs));
  const last = text("end");
  const end = last === undefined ? start + usualDays * dayMs : Date.parse(last.slice(0, 10));
  const days = (end - start) / dayMs + 1;
  if (!(days >= 0 && days <= mostDays)) throw new Refused("malformed_request");
  const dates = Array.from({ length: days }, (_, day) => isoDay(start + day * dayMs));
  return ok(
    dates.map((date) => ({
      date,
      open: "00:00",
      close: "23:59",
      session_open: "0000",
      session_close: "2359",
      settlement_date: date,
    })),
  );
}

/** What the owner of the account has set ("Account configurations"). */
export const configuration = ({ account }: Readonly<{ account: Account }>): Answer =>
  ok({
    fractional_trading: true,
    max_margin_multiplier: "1",
    no_shorting: true,
    suspend_trade: account.blocked.has("trade_suspended_by_user"),
    trade_confirm_email: "all",
    ptp_no_exception_entry: false,
    max_options_trading_level: null,
  });

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
