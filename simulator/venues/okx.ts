import { createHmac, randomInt, randomUUID } from "node:crypto";
import type { Market, Order } from "../accounts.ts";
import { divide, formatUnits, multiply, parseUnits, units } from "../decimal.ts";
import {
  bookOf,
  candleStarts,
  marketNamed,
  marketOf,
  open,
  quoteOf,
  startingBalances,
  stepOf,
  usdtMarkets,
} from "../market-data.ts";
import {
  cancelOrder,
  findOrder,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
  wordFor,
} from "../orders.ts";
import { randomCapitals, randomHex } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { asText, header, onlyItem, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import type { Call, PublicCall, Route, SimulatedVenue } from "../venue.ts";
import { data, keyRefusals, keyRoutes, permissionWords, refuse } from "./okx-keys.ts";

// Sources: okx.com/docs-v5 (account configuration, order placement and details, error codes).

const markets = usdtMarkets((base, quote) => `${base}-${quote}`);
const windowMs = 30_000;
const contractSize = units("0.01");

/** Refusals of an order stand in the item, beside the order's ids. */
const refuseOrder = (sCode: string, sMsg: string): Answer =>
  ok({ code: "1", msg: "All operations failed", data: [{ ordId: "", clOrdId: "", sCode, sMsg }] });

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(401, "50103", "Request header OK-ACCESS-KEY can not be empty."),
  unknown_key: refuse(401, "50119", "API key doesn't exist."),
  wrong_environment: refuse(401, "50101", "APIKey does not match current environment."),
  bad_signature: refuse(401, "50113", "Invalid Sign"),
  wrong_passphrase: refuse(401, "50105", "Request header OK-ACCESS-PASSPHRASE incorrect."),
  // Keys that were not used are deleted; there is no code for an expired one.
  expired_key: refuse(401, "50119", "API key doesn't exist."),
  insufficient_permission: refuse(401, "50120", "This API key doesn't have permission to use this function."),
  ip_not_allowed: refuse(401, "50110", "Your IP is not included in your API key's IP whitelist."),
  clock_skew: refuse(401, "50102", "Timestamp request expired"),
  bad_nonce: refuse(401, "50112", "Invalid OK-ACCESS-TIMESTAMP"),
  account_locked: refuse(400, "50100", "API frozen, please contact customer service."),
  rate_limited: refuse(429, "50011", "Too Many Requests"),
  unavailable: refuse(503, "50001", "Service temporarily unavailable. Try again later."),
  malformed_request: refuse(400, "51000", "Parameter error"),
  unknown_symbol: refuse(200, "51001", "Instrument ID does not exist"),
  insufficient_funds: refuseOrder("51008", "Order failed. Insufficient balance in account"),
  duplicate_order: refuseOrder("51016", "Duplicated client order ID"),
  unknown_order: refuse(200, "51603", "Order does not exist"),
  unknown_path: refuse(404, "404", "Not Found"),
};

function accountConfig({ key, account }: Call): Answer {
  return data({
    uid: String(account.number),
    mainUid: String((account.parent ?? account).number),
    acctLv: "1",
    posMode: "net_mode",
    perm: [...permissionWords(key.permissions), ...key.extraWords].join(","),
    ip: key.boundIps.join(","),
    label: key.label,
    kycLv: "2",
    roleType: "0",
    type: "0",
    level: "Lv1",
  });
}

const showSpot = (market: Market) => ({
  instType: "SPOT",
  instId: market.id,
  baseCcy: market.base,
  quoteCcy: market.quote,
  state: "live",
  lotSz: "0.00000001",
  minSz: "0.00001",
  tickSz: "0.1",
  maxLmtSz: "9999999999",
  lever: "",
});

const showSwap = (market: Market) => ({
  instType: "SWAP",
  instId: `${market.id}-SWAP`,
  uly: market.id,
  settleCcy: market.quote,
  ctVal: formatUnits(contractSize),
  ctValCcy: market.base,
  state: "live",
  lotSz: "0.01",
  minSz: "0.01",
  tickSz: "0.1",
  lever: "100",
});

const listed = new Map<string | undefined, readonly unknown[]>([
  ["SPOT", markets.map(showSpot)],
  ["SWAP", markets.map(showSwap)],
]);

const instruments = ({ text }: PublicCall): Answer => data(...(listed.get(text("instType")) ?? []));

const currencies = ({ account }: Call): Answer =>
  data(...[...account.balances.keys()].map((ccy) => ({ ccy, name: ccy, chain: `${ccy}-${ccy}` })));

const balance = ({ account, nowMs }: Call): Answer =>
  data({
    uTime: String(nowMs),
    details: [...account.balances].map(([ccy, { free, locked }]) => ({
      ccy,
      eq: formatUnits(free + locked),
      cashBal: formatUnits(free + locked),
      availBal: formatUnits(free),
      availEq: "",
      frozenBal: formatUnits(locked),
      uTime: String(nowMs),
    })),
  });

const orderRules: OrderRules = {
  newId: () => String(10n ** 18n + BigInt(randomInt(2 ** 47))),
  clientOrderId: /^[A-Za-z\d]{1,32}$/,
  // "If the clOrdId is associated with more than one order, only the latest one will be returned" (order
  // details).
  uniqueAmong: "open",
};

/**
 * One word says type and time in force; every order but the market's is a limit order ("Place order",
 * `ordType`).
 */
const orderTypes = { limit: "gtc", ioc: "ioc", fok: "fok", post_only: "post_only", market: "ioc" } as const;

/** What adds another order to this one, or prices it otherwise. */
const unsimulated = ["attachAlgoOrds", "pxUsd", "pxVol", "isElpTakerAccess"];

function createOrder({ account, request, nowMs }: Call): Answer {
  const item = onlyItem(request);
  refuseParameters(item, unsimulated);
  const text = (name: string): string | undefined => asText(item[name]);
  // Spot accounts know no other trade mode.
  if (text("tdMode") !== "cash") throw new Refused("malformed_request");
  const size = parseUnits(text("sz"));
  // A market order to buy counts in the quote currency unless it says otherwise.
  const byCost = text("ordType") === "market" && text("side") === "buy" && text("tgtCcy") !== "base_ccy";
  const order = placeOrder(
    account,
    {
      clientOrderId: text("clOrdId"),
      market: marketNamed(markets, text("instId")),
      side: text("side"),
      type: text("ordType") === "market" ? "market" : "limit",
      timeInForce: timeInForceOf(orderTypes, text("ordType") ?? ""),
      ...(byCost ? { cost: size } : { quantity: size }),
      price: parseUnits(text("px")),
    },
    nowMs,
    orderRules,
  );
  return data({
    ordId: order.id,
    clOrdId: order.clientOrderId,
    tag: "",
    ts: String(nowMs),
    sCode: "0",
    sMsg: "",
  });
}

const statuses = { open: "live", filled: "filled", cancelled: "canceled", expired: "canceled" } as const;

const showOrder = (order: Order) => ({
  instType: "SPOT",
  instId: order.market.id,
  ordId: order.id,
  clOrdId: order.clientOrderId,
  px: order.price === undefined ? "" : formatUnits(order.price),
  sz: formatUnits(order.quantity),
  ordType: order.type === "market" ? "market" : wordFor(orderTypes, order.timeInForce),
  side: order.side,
  tdMode: "cash",
  tgtCcy: "base_ccy",
  state: statuses[order.status],
  accFillSz: formatUnits(order.filled),
  avgPx: order.filled > 0n ? formatUnits(order.market.price) : "",
  fee: "0",
  feeCcy: order.market.base,
  cTime: String(order.createdAtMs),
  uTime: String(order.updatedAtMs),
});

const orderNamed = ({ account, text }: Call): Order =>
  findOrder(account, {
    id: text("ordId"),
    clientOrderId: text("clOrdId"),
    market: marketNamed(markets, text("instId")),
  });

function pendingOrders({ account, text }: Call): Answer {
  const instId = text("instId");
  const market = instId === undefined ? undefined : marketNamed(markets, instId);
  return data(...openOrders(account, market).map(showOrder));
}

function cancel(call: Call): Answer {
  try {
    const order = cancelOrder(call.account, orderNamed(call), call.nowMs);
    return data({ ordId: order.id, clOrdId: order.clientOrderId, sCode: "0", sMsg: "" });
  } catch (error) {
    if (!(error instanceof Refused) || error.reason !== "unknown_order") throw error;
    throw new Refused(
      "unknown_order",
      refuseOrder("51400", "Cancellation failed as the order does not exist."),
    );
  }
}

const positions = ({ account, nowMs }: Call): Answer =>
  data(
    ...account.positions.map(({ base, side, quantity, entryPrice }) => {
      const market = marketOf(markets, base);
      const size = side === "long" ? quantity : -quantity;
      return {
        instType: "SWAP",
        instId: `${market.id}-SWAP`,
        mgnMode: "cross",
        posSide: "net",
        pos: formatUnits(divide(size, contractSize)),
        avgPx: formatUnits(entryPrice),
        markPx: formatUnits(market.price),
        upl: formatUnits(multiply(size, market.price - entryPrice)),
        notionalUsd: formatUnits(multiply(quantity, market.price)),
        lever: "1",
        cTime: String(nowMs),
        uTime: String(nowMs),
      };
    }),
  );

const marketRoutes: readonly Route[] = [
  open("/api/v5/market/ticker", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("instId"));
    const { last, bid, ask, size, volume } = quoteOf(market);
    const day = { open24h: last, high24h: last, low24h: last, vol24h: volume };
    const best = { bidPx: bid, bidSz: size, askPx: ask, askSz: size };
    return data({
      instType: "SPOT",
      instId: market.id,
      last,
      lastSz: "1",
      ts: String(nowMs),
      ...day,
      ...best,
    });
  }),
  open("/api/v5/market/candles", ({ text, nowMs }) => {
    const { last } = quoteOf(marketNamed(markets, text("instId")));
    const starts = candleStarts({ nowMs, stepMs: stepOf(text("bar")), limit: text("limit") });
    return data(
      ...starts.toReversed().map((start) => [String(start), last, last, last, last, "1", last, last, "1"]),
    );
  }),
  open("/api/v5/market/books", ({ text, nowMs }) => {
    const { bids, asks } = bookOf(marketNamed(markets, text("instId")), text("sz"));
    const levels = (side: typeof bids) => side.map(([price, size]) => [price, size, "0", "1"]);
    return data({ bids: levels(bids), asks: levels(asks), ts: String(nowMs) });
  }),
];

const routes: readonly Route[] = [
  ...marketRoutes,
  ...keyRoutes,
  {
    method: "GET",
    path: "/api/v5/public/time",
    needs: "nothing",
    answer: ({ nowMs }) => data({ ts: String(nowMs) }),
  },
  { method: "GET", path: "/api/v5/public/instruments", needs: "nothing", answer: instruments },
  { method: "GET", path: "/api/v5/account/config", needs: "read", answer: accountConfig },
  { method: "GET", path: "/api/v5/account/balance", needs: "read", answer: balance },
  { method: "GET", path: "/api/v5/account/positions", needs: "read", answer: positions },
  { method: "GET", path: "/api/v5/asset/currencies", needs: "read", answer: currencies },
  { method: "POST", path: "/api/v5/trade/order", needs: "trade", answer: createOrder },
  { method: "POST", path: "/api/v5/trade/batch-orders", needs: "trade", answer: createOrder },
  {
    method: "GET",
    path: "/api/v5/trade/order",
    needs: "read",
    answer: (call) => data(showOrder(orderNamed(call))),
  },
  { method: "GET", path: "/api/v5/trade/orders-pending", needs: "read", answer: pendingOrders },
  { method: "POST", path: "/api/v5/trade/cancel-order", needs: "trade", answer: cancel },
];

/**
 * OKX signs time, method, path with query, and body: HMAC-SHA256 in base64.
 * Source: okx.com/docs-v5, "REST authentication".
 */
export function verifyOkx(
  signed: Readonly<{ timestamp: string; method: string; target: string; body: string }>,
  signature: string,
  secret: string,
): boolean {
  const text = signed.timestamp + signed.method + signed.target + signed.body;
  return equal(signature, createHmac("sha256", secret).update(text).digest("base64"));
}

export const okx: SimulatedVenue = {
  id: "okx",
  hosts: ["live"],
  isDemo: (headers) => headers["x-simulated-trading"] === "1",
  startingBalances,
  refusals,
  keyRefusals,
  routes,
  issue: () => ({
    apiKey: randomUUID(),
    apiSecret: randomHex(16).toUpperCase(),
    passphrase: `Pass-${randomCapitals(12)}`,
  }),
  claim(request) {
    const apiKey = header(request, "ok-access-key");
    if (apiKey === "") throw new Refused("missing_credentials");
    return { apiKey, signedAtMs: Date.parse(header(request, "ok-access-timestamp")), windowMs };
  },
  signatureHolds(request, { verifier }) {
    const signed = {
      timestamp: header(request, "ok-access-timestamp"),
      method: request.method,
      target: request.path + (request.query === "" ? "" : `?${request.query}`),
      body: request.body,
    };
    return typeof verifier === "string" && verifyOkx(signed, header(request, "ok-access-sign"), verifier);
  },
  passphraseHolds: (request, { passphrase = "" }) =>
    equal(header(request, "ok-access-passphrase"), passphrase),
};
