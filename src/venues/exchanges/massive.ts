import { z } from "zod";
import type { Adapter, VenueCall } from "../adapter.ts";
import { type Dialect, interpret, type Interpretation, unknownMeaning } from "../interpret.ts";
import { candlesParams, lengthOf, tickerParams } from "../operations.ts";
import { refusal } from "../outcomes.ts";
import type { Invocation } from "../venue.ts";

// massive.com (formerly polygon.io): REST authentication, "Market Status". Market data only: there is no
// account.

const error = z.looseObject({
  status: z.string(),
  error: z.string().optional(),
  message: z.string().optional(),
});

const dialect: Dialect = {
  error(json, status) {
    if (status < 400) return undefined;
    const { data } = error.safeParse(json);
    const text = data?.error ?? data?.message;
    return data && { code: data.status, ...(text === undefined ? {} : { text }) };
  },
  codes: {
    NOT_AUTHORIZED: {
      meaning: "insufficient_permission",
      hint: "The key works, but its plan does not include this call.",
    },
  },
  // A bearer token is all that is sent, and it is bound to no address.
  statuses: { 401: "bad_key" },
};

const marketStatus = z.looseObject({ market: z.string(), serverTime: z.string() });

const statusPath = "/v1/marketstatus/now";

async function ask(call: VenueCall, path: string): Promise<Interpretation> {
  const answer = await call.send({
    method: "GET",
    url: `https://api.massive.com${path}`,
    // Not as a query parameter, which would put the key into URLs.
    headers: { authorization: `Bearer ${call.fields.get("api_key") ?? ""}` },
  });
  return interpret(dialect, answer);
}

function showStatus(json: unknown): unknown {
  return { status: "ok", updated: Date.parse(marketStatus.parse(json).serverTime), info: json };
}

export const massive: Adapter = {
  description: {
    id: "massive",
    name: "Massive",
    environments: ["live"],
    fields: ["api_key"],
    provable: true,
    reports: { permissions: true, boundIps: false, expiry: false, account: false },
    risingNonce: false,
    clientOrderIds: false,
    operations: ["fetchStatus", "fetchTicker", "fetchOHLCV"],
  },
  async inspect(call) {
    const reading = await ask(call, statusPath);
    if (reading.kind !== "success") {
      const meaning = reading.kind === "known" ? reading.meaning : unknownMeaning(reading.said);
      return refusal(call.speaker, meaning, reading.said);
    }
    if (!marketStatus.safeParse(reading.json).success) return refusal(call.speaker, "unexpected_answer");
    return {
      outcome: "valid",
      // A vendor of data: there is nothing to trade with and nothing to take out.
      permissions: {
        read: "yes",
        trade: "no",
        withdraw: "no",
        transfer: "no",
        boundIps: null,
        unknownWords: [],
      },
      expiresAt: null,
      account: {},
    };
  },
  async invoke(call, invocation) {
    const read = marketRead(invocation, Date.now()) ?? { path: statusPath, show: showStatus };
    const reading = await ask(call, read.path);
    if (reading.kind === "known") return refusal(call.speaker, reading.meaning, reading.said);
    if (reading.kind === "refused") {
      return { outcome: "refused", message: `Massive: ${reading.said.text ?? "refused"}` };
    }
    try {
      return { outcome: "done", result: read.show(reading.json) };
    } catch (error) {
      if (error instanceof RangeError) return { outcome: "refused", message: `Massive: ${error.message}` };
      // Not the documented shape.
      return refusal(call.speaker, "unexpected_answer");
    }
  },
  async findOrder(call) {
    return refusal(call.speaker, "unexpected_answer", { hint: "It has no orders." });
  },
};

// massive.com/docs: "Unified Snapshot" (all classes of assets), "Custom Bars". Tickers are Massive's own:
// AAPL, X:BTCUSD, C:EURUSD.

/** The request of an operation on market data; `undefined` for any other operation. */
function marketRead({ operation, params }: Invocation, now: number) {
  if (operation === "fetchTicker") return ticker(tickerParams.parse(params).symbol);
  return operation === "fetchOHLCV" ? candles(candlesParams.parse(params), now) : undefined;
}

function ticker(symbol: string) {
  const query = new URLSearchParams({ "ticker.any_of": symbol });
  return { path: `/v3/snapshot?${query.toString()}`, show: (json: unknown) => showTicker(symbol, json) };
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

function candles({ symbol, timeframe, since, limit = 100 }: z.infer<typeof candlesParams>, now: number) {
  // The latest ones: from long enough ago that a closed market leaves as many.
  const from = since ?? now - 4 * limit * lengthOf(timeframe) - 7 * lengthOf("1d");
  const range = `${timeframe.slice(0, -1)}/${units[timeframe.slice(-1)]}/${from}/${now}`;
  // Its limit counts the minutes or days that bars are made of, so the bars are counted here.
  const query = new URLSearchParams({ sort: since === undefined ? "desc" : "asc", limit: "50000" });
  return {
    path: `/v2/aggs/ticker/${encodeURIComponent(symbol)}/range/${range}?${query.toString()}`,
    show: (json: unknown) =>
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
