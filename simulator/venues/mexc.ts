import { createHmac } from "node:crypto";
import type { Key, Market, Order } from "../accounts.ts";
import { formatUnits, parseUnits } from "../decimal.ts";
import {
  bookOf,
  candleStarts,
  marketNamed,
  open,
  quoteOf,
  startingBalances,
  stepOf,
  usdtMarkets,
} from "../market-data.ts";
import {
  cancelOrder,
  filledCost,
  findOrder,
  nextNumber,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
  wordFor,
} from "../orders.ts";
import { randomAlphanumeric, randomHex } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { header, parameters, refuseParameters } from "../request.ts";
import { equal, signedPayload } from "../signing.ts";
import type { Call, PublicCall, Route, SimulatedVenue } from "../venue.ts";

// Sources: mexc.com/api-docs/spot-v3 (spot account and trade, error codes).

const markets = usdtMarkets((base, quote) => base + quote);
const defaultRecvWindowMs = 5000;
const maxRecvWindowMs = 60_000;
const aheadMs = 1000;
const dayMs = 86_400_000;

const refuse = (status: number, code: number, msg: string): Answer => ({ status, body: { code, msg } });

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(400, 700001, "API-key format invalid."),
  unknown_key: refuse(400, 10072, "Api key info invalid"),
  wrong_environment: refuse(400, 10072, "Api key info invalid"),
  bad_signature: refuse(400, 700002, "Signature for this request is not valid."),
  wrong_passphrase: refuse(400, 700002, "Signature for this request is not valid."),
  expired_key: refuse(400, 402, "API Key expired, please apply again"),
  insufficient_permission: refuse(403, 700007, "No permission to access the endpoint."),
  ip_not_allowed: refuse(403, 700006, "IP non white list"),
  clock_skew: refuse(400, 700003, "Timestamp for this request is outside of the recvWindow."),
  bad_nonce: refuse(400, 700003, "Timestamp for this request is outside of the recvWindow."),
  account_locked: refuse(403, 60005, "your account is abnormal"),
  rate_limited: refuse(429, 429, "Too Many Requests"),
  unavailable: refuse(503, 503, "service not available, please try again"),
  malformed_request: refuse(400, 700004, "Mandatory parameter was not sent, was empty/null, or malformed"),
  unknown_symbol: refuse(400, -1121, "Invalid symbol."),
  insufficient_funds: refuse(400, 30004, "Insufficient position"),
  // No code for a repeated client order id is documented; this one means a repeated request.
  duplicate_order: refuse(400, 603, "Repeated request"),
  unknown_order: refuse(400, -2013, "Order does not exist."),
  unknown_path: refuse(404, 404, "Not Found"),
};

const permissionWords = ({ permissions: { read, trade, withdraw, transfer }, extraWords }: Key): string =>
  [
    ...(read ? ["SPOT_ACCOUNT_READ", "SPOT_DEAL_READ"] : []),
    ...(trade ? ["SPOT_DEAL_WRITE"] : []),
    ...(withdraw ? ["SPOT_WITHDRAW_READ", "SPOT_WITHDRAW_WRITE"] : []),
    ...(transfer ? ["SPOT_TRANSFER_READ", "SPOT_TRANSFER_WRITE"] : []),
    ...extraWords,
  ].join(",");

function apiKeyInfo({ key, text, nowMs }: Call): Answer {
  if (text("accessKey") !== key.apiKey) throw new Refused("malformed_request");
  return ok({
    note: key.label,
    accessKey: key.apiKey,
    createTime: new Date(key.createdAtMs).toISOString().replace("Z", "+00:00"),
    permissions: permissionWords(key),
    // In whole days; what a key without an end shows is not documented, so such a key shows nothing.
    ...(key.expiresAtMs !== null && { remainingValidity: Math.floor((key.expiresAtMs - nowMs) / dayMs) }),
    ipWhiteList: key.boundIps.join(","),
    status: "VALID",
  });
}

/** Every order but the market's is a limit order ("Enum definitions", order type). */
const orderTypes = {
  LIMIT: "gtc",
  LIMIT_MAKER: "post_only",
  IMMEDIATE_OR_CANCEL: "ioc",
  FILL_OR_KILL: "fok",
  MARKET: "ioc",
} as const;

const orderType = ({ type, timeInForce }: Order): string =>
  type === "market" ? "MARKET" : wordFor(orderTypes, timeInForce);

const showMarket = (market: Market) => ({
  symbol: market.id,
  status: "1",
  baseAsset: market.base,
  baseAssetPrecision: 6,
  quoteAsset: market.quote,
  quotePrecision: 2,
  quoteAssetPrecision: 2,
  orderTypes: Object.keys(orderTypes),
  isSpotTradingAllowed: true,
  isMarginTradingAllowed: false,
  quoteAmountPrecision: "1",
  baseSizePrecision: "0.000001",
  maxQuoteAmount: "2000000",
  makerCommission: "0",
  takerCommission: "0",
  permissions: ["SPOT"],
  filters: [],
});

const exchangeInfo = ({ nowMs }: PublicCall): Answer =>
  ok({
    timezone: "CST",
    serverTime: nowMs,
    rateLimits: [],
    exchangeFilters: [],
    symbols: markets.map(showMarket),
  });

const showAccount = ({ account }: Call): Answer =>
  ok({
    // These flags are about the account, never about the key.
    canTrade: true,
    canWithdraw: true,
    canDeposit: true,
    updateTime: null,
    accountType: "SPOT",
    balances: [...account.balances].map(([asset, { free, locked }]) => ({
      asset,
      free: formatUnits(free),
      locked: formatUnits(locked),
    })),
    permissions: ["SPOT"],
  });

const coins = ({ account }: Call): Answer =>
  ok([...account.balances.keys()].map((coin) => ({ coin, name: coin, networkList: [] })));

const orderRules: OrderRules = {
  newId: () => `C02__${nextNumber()}`,
  clientOrderId: /^[\w-]{1,32}$/,
  uniqueAmong: "open",
};

// What a post-only order that crosses comes to is not documented; it is accepted and cancelled here.
const statuses = { open: "NEW", filled: "FILLED", cancelled: "CANCELED", expired: "CANCELED" } as const;

const showOrder = (order: Order) => ({
  symbol: order.market.id,
  orderId: order.id,
  orderListId: -1,
  clientOrderId: order.clientOrderId,
  price: formatUnits(order.price ?? 0n),
  origQty: formatUnits(order.quantity),
  executedQty: formatUnits(order.filled),
  cummulativeQuoteQty: formatUnits(filledCost(order)),
  status: statuses[order.status],
  type: orderType(order),
  side: order.side.toUpperCase(),
  time: order.createdAtMs,
  updateTime: order.updatedAtMs,
  isWorking: order.status === "open",
});

function createOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(Object.fromEntries(parameters(request)), ["stopPrice", "icebergQty"]);
  const order = placeOrder(
    account,
    {
      clientOrderId: text("newClientOrderId"),
      market: marketNamed(markets, text("symbol")),
      side: text("side"),
      type: text("type") === "MARKET" ? "market" : "limit",
      timeInForce: timeInForceOf(orderTypes, text("type") ?? ""),
      quantity: parseUnits(text("quantity")),
      cost: parseUnits(text("quoteOrderQty")),
      price: parseUnits(text("price")),
    },
    nowMs,
    orderRules,
  );
  const { symbol, orderId, orderListId, price, origQty, type, side } = showOrder(order);
  return ok({ symbol, orderId, orderListId, price, origQty, type, side, transactTime: nowMs });
}

/** The symbol is required beside the order ("Query order", "Cancel order"). */
const orderNamed = ({ account, text }: Call): Order =>
  findOrder(account, {
    id: text("orderId"),
    clientOrderId: text("origClientOrderId"),
    market: marketNamed(markets, text("symbol")),
  });

function deleteOrder(call: Call): Answer {
  try {
    return ok(showOrder(cancelOrder(call.account, orderNamed(call), call.nowMs)));
  } catch (error) {
    if (!(error instanceof Refused) || error.reason !== "unknown_order") throw error;
    throw new Refused("unknown_order", refuse(400, -2011, "Unknown order sent."));
  }
}

const listOpenOrders = ({ account, text }: Call): Answer =>
  ok(openOrders(account, marketNamed(markets, text("symbol"))).map(showOrder));

const marketRoutes: readonly Route[] = [
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

const routes: readonly Route[] = [
  ...marketRoutes,
  { method: "GET", path: "/api/v3/time", needs: "nothing", answer: ({ nowMs }) => ok({ serverTime: nowMs }) },
  { method: "GET", path: "/api/v3/exchangeInfo", needs: "nothing", answer: exchangeInfo },
  {
    method: "GET",
    path: "/api/v1/contract/detail",
    needs: "nothing",
    answer: () => ok({ success: true, code: 0, data: [] }),
  },
  { method: "GET", path: "/api/v3/apiKeyInfo", needs: "key", answer: apiKeyInfo },
  { method: "GET", path: "/api/v3/account", needs: "read", answer: showAccount },
  { method: "GET", path: "/api/v3/capital/config/getall", needs: "read", answer: coins },
  { method: "POST", path: "/api/v3/order", needs: "trade", answer: createOrder },
  { method: "GET", path: "/api/v3/order", needs: "read", answer: (call) => ok(showOrder(orderNamed(call))) },
  { method: "DELETE", path: "/api/v3/order", needs: "trade", answer: deleteOrder },
  { method: "GET", path: "/api/v3/openOrders", needs: "read", answer: listOpenOrders },
];

/**
 * MEXC signs query and body together (see `signedPayload`): HMAC-SHA256 in lower-case hex. Method and path
 * are not signed. Source: mexc.com/api-docs/spot-v3, "Signed".
 */
export const verifyMexc = (payload: string, signature: string, secret: string): boolean =>
  equal(signature, createHmac("sha256", secret).update(payload).digest("hex"));

export const mexc: SimulatedVenue = {
  id: "mexc",
  hosts: ["live"],
  startingBalances,
  refusals,
  routes,
  issue: () => ({ apiKey: `mx0${randomAlphanumeric(15)}`, apiSecret: randomHex(16) }),
  claim(request) {
    const apiKey = header(request, "x-mexc-apikey");
    if (apiKey === "") throw new Refused("missing_credentials");
    const given = parameters(request);
    if (!given.has("timestamp") || !given.has("signature")) throw new Refused("malformed_request");
    const windowMs = Number(given.get("recvWindow") ?? defaultRecvWindowMs);
    // "Cannot be greater than 60000" ("Timing security").
    if (windowMs > maxRecvWindowMs) throw new Refused("malformed_request");
    return { apiKey, signedAtMs: Number(given.get("timestamp")), windowMs, aheadMs };
  },
  signatureHolds(request, { verifier }) {
    const payload = signedPayload(request.query, request.body);
    const signature = parameters(request).get("signature") ?? "";
    return typeof verifier === "string" && verifyMexc(payload, signature, verifier);
  },
};
