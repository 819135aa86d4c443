import type { Market } from "../accounts.ts";
import { units } from "../decimal.ts";
import { candleStarts, marketNamed, quoteOf, stepOf } from "../market-data.ts";
import { randomAlphanumeric } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { header, parameters, type WireRequest } from "../request.ts";
import type { PublicCall, Route, SimulatedVenue } from "../venue.ts";

// Sources: massive.com/docs (formerly polygon.io): authentication, "Market status".

const refuse = (status: number, kind: string, error: string): Answer => ({
  status,
  body: { status: kind, request_id: "simulated", error },
});

const unknownKey = refuse(401, "ERROR", "Unknown API Key");

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(401, "ERROR", "API Key was not provided"),
  // The words for a wrong key are those of common reports; the documentation shows none.
  unknown_key: unknownKey,
  wrong_environment: unknownKey,
  bad_signature: unknownKey,
  wrong_passphrase: unknownKey,
  expired_key: unknownKey,
  // A key whose plan does not cover the data: it works, and must not be called invalid.
  insufficient_permission: {
    status: 403,
    body: {
      status: "NOT_AUTHORIZED",
      request_id: "simulated",
      message: "You are not entitled to this data. Please upgrade your plan.",
    },
  },
  ip_not_allowed: refuse(403, "ERROR", "Forbidden"),
  clock_skew: unknownKey,
  bad_nonce: unknownKey,
  account_locked: refuse(403, "ERROR", "Forbidden"),
  rate_limited: refuse(429, "ERROR", "You've exceeded the maximum requests per minute."),
  unavailable: refuse(503, "ERROR", "Service unavailable"),
  malformed_request: refuse(400, "ERROR", "Bad request"),
  unknown_symbol: refuse(404, "NOT_FOUND", "Ticker not found."),
  insufficient_funds: refuse(400, "ERROR", "Bad request"),
  duplicate_order: refuse(400, "ERROR", "Bad request"),
  unknown_order: refuse(404, "NOT_FOUND", "Not found"),
  unknown_path: refuse(404, "ERROR", "Not found"),
};

/** Nothing is signed: the key is all there is, in a header or in the query. */
function givenKey(request: WireRequest): string {
  const [, bearer] = /^Bearer (\S+)$/.exec(header(request, "authorization")) ?? [];
  return bearer ?? parameters(request).get("apiKey") ?? "";
}

const marketStatus = ({ nowMs }: Pick<PublicCall, "nowMs">): Answer =>
  ok({
    afterHours: false,
    currencies: { crypto: "open", fx: "open" },
    earlyHours: false,
    exchanges: { nasdaq: "open", nyse: "open", otc: "open" },
    market: "open",
    serverTime: new Date(nowMs).toISOString(),
  });

/** A share and a coin, in Massive's own names. */
const markets: readonly Market[] = [
  { id: "AAPL", base: "AAPL", quote: "USD", price: units("200") },
  { id: "X:BTCUSD", base: "BTC", quote: "USD", price: units("50000") },
];

function snapshot({ text }: Pick<PublicCall, "text">): Answer {
  const market = markets.find(({ id }) => id === text("ticker.any_of"));
  if (market === undefined) {
    const unknown = { ticker: text("ticker.any_of"), error: "NOT_FOUND", message: "Ticker not found." };
    return ok({ status: "OK", request_id: "simulated", results: [unknown] });
  }
  const { last, bid, ask } = quoteOf(market);
  const price = Number(last);
  const session = {
    open: price,
    high: price,
    low: price,
    close: price,
    volume: 1000,
    change: 0,
    change_percent: 0,
  };
  const shown = {
    ticker: market.id,
    session: { ...session, previous_close: price },
    last_quote: { bid: Number(bid), bid_size: 10, ask: Number(ask), ask_size: 10 },
    last_trade: { price, size: 1 },
  };
  return ok({ status: "OK", request_id: "simulated", results: [shown] });
}

const timespans: Readonly<Record<string, string>> = { minute: "m", hour: "h", day: "d", week: "w" };

function bars({ text, nowMs }: Pick<PublicCall, "text" | "nowMs">): Answer {
  const price = Number(quoteOf(marketNamed(markets, text("ticker"))).last);
  const stepMs = stepOf(`${text("multiplier")}${timespans[text("timespan") ?? ""]}`);
  const starts = candleStarts({ nowMs, stepMs, limit: undefined });
  const sorted = text("sort") === "desc" ? starts.toReversed() : starts;
  const results = sorted.map((t) => ({ t, o: price, h: price, l: price, c: price, v: 1, vw: price, n: 1 }));
  return ok({ status: "OK", ticker: text("ticker"), resultsCount: results.length, results });
}

const routes: readonly Route[] = [
  { method: "GET", path: "/v3/snapshot", needs: "read", answer: snapshot },
  {
    method: "GET",
    path: "/v2/aggs/ticker/:ticker/range/:multiplier/:timespan/:from/:to",
    needs: "read",
    answer: bars,
  },
  { method: "GET", path: "/v1/marketstatus/now", needs: "read", answer: marketStatus },
];

export const massive: SimulatedVenue = {
  id: "massive",
  hosts: ["live"],
  startingBalances: {},
  refusals,
  routes,
  issue() {
    const apiKey = randomAlphanumeric(32);
    return { apiKey, apiSecret: "" };
  },
  claim(request) {
    const apiKey = givenKey(request);
    if (apiKey === "") throw new Refused("missing_credentials");
    return { apiKey };
  },
  signatureHolds: () => true,
};
