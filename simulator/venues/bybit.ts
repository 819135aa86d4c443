import { createHmac, randomInt } from "node:crypto";
import type { Market, Order } from "../accounts.ts";
import { formatUnits, multiply, parseUnits } from "../decimal.ts";
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
  filledCost,
  findOrder,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
  wordFor,
} from "../orders.ts";
import { randomAlphanumeric } from "../random-text.ts";
import { type Answer, type Reason, Refused } from "../refusal.ts";
import { header, jsonBody, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import { writes } from "../sub-accounts.ts";
import type { Call, PublicCall, Route, SimulatedVenue } from "../venue.ts";
import {
  isoSeconds,
  keyRefusals,
  keyRoutes,
  permissionWords,
  refuse,
  result,
  shownIps,
} from "./bybit-keys.ts";

// Sources: bybit-exchange.github.io/docs/v5 (user/apikey-info, order, account/wallet-balance, demo, enum,
// error).

const markets = usdtMarkets((base, quote) => base + quote);
const defaultRecvWindow = "5000";
const aheadMs = 1000;
const dayMs = 86_400_000;

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: { status: 401, body: undefined },
  unknown_key: refuse(10003, "API key is invalid."),
  wrong_environment: refuse(10003, "API key is invalid."),
  bad_signature: refuse(10004, "Error sign, please check your signature generation algorithm."),
  wrong_passphrase: refuse(10004, "Error sign, please check your signature generation algorithm."),
  expired_key: refuse(33004, "Your api key has expired."),
  insufficient_permission: refuse(10005, "Permission denied, please check your API key permissions."),
  ip_not_allowed: refuse(10010, "Unmatched IP, please check your API key's bound IP addresses."),
  clock_skew: refuse(10002, "The request time exceeds the time window range."),
  bad_nonce: refuse(10002, "The request time exceeds the time window range."),
  account_locked: refuse(10008, "User has been banned."),
  rate_limited: refuse(10006, "Too many visits. Exceeded the API Rate Limit."),
  unavailable: refuse(10016, "Server error."),
  malformed_request: refuse(10001, "Request parameter error."),
  unknown_symbol: refuse(10001, "Not supported symbols"),
  insufficient_funds: refuse(170131, "Balance insufficient."),
  duplicate_order: refuse(170141, "Duplicate clientOrderId."),
  unknown_order: refuse(170213, "Order does not exist."),
  unknown_path: { status: 404, body: undefined },
};

function queryApi({ key, account, nowMs }: Call): Answer {
  const isSub = account.parent !== null;
  return result(
    {
      id: String(account.number + 1000),
      note: key.label,
      apiKey: key.apiKey,
      readOnly: writes(key.permissions) ? 0 : 1,
      secret: "",
      permissions: permissionWords(key.permissions, { extraWords: key.extraWords, isSub }),
      ips: shownIps(key),
      type: 1,
      // A key without an end says the epoch and minus two days.
      deadlineDay: key.expiresAtMs === null ? -2 : Math.ceil((key.expiresAtMs - nowMs) / dayMs),
      expiredAt: isoSeconds(key.expiresAtMs ?? 0),
      createdAt: isoSeconds(key.createdAtMs),
      unified: 0,
      uta: 1,
      userID: account.number,
      inviterID: 0,
      vipLevel: "No VIP",
      mktMakerLevel: "0",
      affiliateID: 0,
      rsaPublicKey: "",
      isMaster: !isSub,
      parentUid: String(account.parent?.number ?? 0),
      kycLevel: "LEVEL_DEFAULT",
      kycRegion: "",
    },
    nowMs,
  );
}

const accountInfo = ({ nowMs }: Call): Answer =>
  result({ unifiedMarginStatus: 5, marginMode: "REGULAR_MARGIN", spotHedgingStatus: "OFF" }, nowMs);

const showSpot = (market: Market) => ({
  symbol: market.id,
  baseCoin: market.base,
  quoteCoin: market.quote,
  status: "Trading",
  marginTrading: "none",
  lotSizeFilter: {
    basePrecision: "0.000001",
    quotePrecision: "0.00000001",
    minOrderQty: "0.000001",
    maxOrderQty: "1000",
    minOrderAmt: "1",
    maxOrderAmt: "4000000",
  },
  priceFilter: { tickSize: "0.01" },
});

const showPerpetual = (market: Market) => ({
  symbol: market.id,
  contractType: "LinearPerpetual",
  status: "Trading",
  baseCoin: market.base,
  quoteCoin: market.quote,
  settleCoin: market.quote,
  launchTime: "1584230400000",
  deliveryTime: "0",
  lotSizeFilter: { qtyStep: "0.001", minOrderQty: "0.001", maxOrderQty: "1000", minNotionalValue: "5" },
  priceFilter: { tickSize: "0.1", minPrice: "0.1", maxPrice: "1999999" },
  leverageFilter: { minLeverage: "1", maxLeverage: "100" },
});

const listed = new Map<string | undefined, readonly unknown[]>([
  ["spot", markets.map(showSpot)],
  ["linear", markets.map(showPerpetual)],
]);

function instruments({ text, nowMs }: PublicCall): Answer {
  const category = text("category");
  const list = text("status") === "PreLaunch" ? [] : (listed.get(category) ?? []);
  return result({ category, list }, nowMs);
}

const coins = ({ account, nowMs }: Call): Answer =>
  result({ rows: [...account.balances.keys()].map((coin) => ({ coin, name: coin, chains: [] })) }, nowMs);

function walletBalance({ account, nowMs }: Call): Answer {
  const coin = [...account.balances].map(([coin, { free, locked }]) => ({
    coin,
    walletBalance: formatUnits(free + locked),
    equity: formatUnits(free + locked),
    locked: formatUnits(locked),
    availableToWithdraw: "",
    totalPositionIM: "0",
    totalOrderIM: "0",
  }));
  return result({ list: [{ accountType: "UNIFIED", coin }] }, nowMs);
}

const statuses = { open: "New", filled: "Filled", cancelled: "Cancelled", expired: "Cancelled" } as const;
// "If the order would be filled immediately when submitted, it will be cancelled" (enum, `timeInForce`).
const timesInForce = { GTC: "gtc", IOC: "ioc", FOK: "fok", PostOnly: "post_only" } as const;
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

const showOrder = (order: Order) => ({
  orderId: order.id,
  orderLinkId: order.clientOrderId,
  symbol: order.market.id,
  price: formatUnits(order.price ?? 0n),
  qty: formatUnits(order.quantity),
  side: capital(order.side),
  orderStatus: statuses[order.status],
  avgPrice: order.filled > 0n ? formatUnits(order.market.price) : "",
  leavesQty: formatUnits(order.status === "open" ? order.quantity : 0n),
  cumExecQty: formatUnits(order.filled),
  cumExecValue: formatUnits(filledCost(order)),
  cumExecFee: "0",
  timeInForce: wordFor(timesInForce, order.timeInForce),
  orderType: capital(order.type),
  marketUnit: "baseCoin",
  createdTime: String(order.createdAtMs),
  updatedTime: String(order.updatedAtMs),
});

const orderRules: OrderRules = {
  newId: () => String(10n ** 18n + BigInt(randomInt(2 ** 47))),
  clientOrderId: /^[\w-]{1,36}$/,
  uniqueAmong: "ever",
};

/** What makes an order a conditional one, or adds one to it, or borrows for it ("Place Order"). */
const unsimulated = [
  "triggerPrice",
  "takeProfit",
  "stopLoss",
  "tpLimitPrice",
  "slLimitPrice",
  "isLeverage",
  "slippageTolerance",
];

function createOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(jsonBody(request), unsimulated);
  if (text("category") !== "spot") throw new Refused("malformed_request");
  if ((text("orderFilter") ?? "Order") !== "Order") throw new Refused("malformed_request");
  const amount = parseUnits(text("qty"));
  // A market order to buy counts in the quote currency unless it says otherwise.
  const byCost =
    text("orderType") === "Market" &&
    (text("marketUnit") ?? (text("side") === "Buy" ? "quoteCoin" : "baseCoin")) === "quoteCoin";
  const order = placeOrder(
    account,
    {
      clientOrderId: text("orderLinkId"),
      market: marketNamed(markets, text("symbol")),
      side: text("side"),
      type: text("orderType"),
      ...(byCost ? { cost: amount } : { quantity: amount }),
      price: parseUnits(text("price")),
      timeInForce:
        text("orderType") === "Market" ? "ioc" : timeInForceOf(timesInForce, text("timeInForce") || "GTC"),
    },
    nowMs,
    orderRules,
  );
  return result({ orderId: order.id, orderLinkId: order.clientOrderId }, nowMs);
}

/** Open orders; any order when one is named. */
function listOrders({ account, text, nowMs }: Call): Answer {
  const [id, link, symbol] = [text("orderId"), text("orderLinkId"), text("symbol")];
  const named = id !== undefined || link !== undefined;
  const list = (named ? account.orders : openOrders(account))
    .filter((order) => (id ?? order.id) === order.id && (link ?? order.clientOrderId) === order.clientOrderId)
    .filter((order) => (symbol ?? order.market.id) === order.market.id);
  return result({ category: text("category"), list: list.map(showOrder), nextPageCursor: "" }, nowMs);
}

/** What is no longer open. */
function listHistory({ account, text, nowMs }: Call): Answer {
  const link = text("orderLinkId");
  const list = account.orders.filter(
    (order) => order.status !== "open" && (link ?? order.clientOrderId) === order.clientOrderId,
  );
  return result({ category: text("category"), list: list.map(showOrder), nextPageCursor: "" }, nowMs);
}

/** Category and symbol are required beside the order ("Cancel Order"). */
function cancel({ account, text, nowMs }: Call): Answer {
  if (text("category") !== "spot") throw new Refused("malformed_request");
  const market = marketNamed(markets, text("symbol"));
  const order = findOrder(account, { id: text("orderId"), clientOrderId: text("orderLinkId"), market });
  cancelOrder(account, order, nowMs);
  return result({ orderId: order.id, orderLinkId: order.clientOrderId }, nowMs);
}

function listPositions({ account, text, nowMs }: Call): Answer {
  const category = text("category");
  const list = account.positions.map(({ base, side, quantity, entryPrice }) => {
    const market = marketOf(markets, base);
    const gain = multiply(quantity, market.price - entryPrice);
    return {
      positionIdx: 0,
      symbol: market.id,
      side: side === "long" ? "Buy" : "Sell",
      size: formatUnits(quantity),
      avgPrice: formatUnits(entryPrice),
      positionValue: formatUnits(multiply(quantity, entryPrice)),
      markPrice: formatUnits(market.price),
      unrealisedPnl: formatUnits(side === "long" ? gain : -gain),
      leverage: "1",
      tradeMode: 0,
      updatedTime: String(nowMs),
    };
  });
  return result({ category, list: category === "linear" ? list : [], nextPageCursor: "" }, nowMs);
}

const time = ({ nowMs }: PublicCall): Answer =>
  result({ timeSecond: String(Math.floor(nowMs / 1000)), timeNano: `${nowMs}000000` }, nowMs);

const marketRoutes: readonly Route[] = [
  open("/v5/market/tickers", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("symbol"));
    const { last, bid, ask, size, volume } = quoteOf(market);
    const day = {
      prevPrice24h: last,
      highPrice24h: last,
      lowPrice24h: last,
      price24hPcnt: "0",
      volume24h: volume,
    };
    const best = { bid1Price: bid, bid1Size: size, ask1Price: ask, ask1Size: size };
    return result(
      { category: "spot", list: [{ symbol: market.id, lastPrice: last, ...day, ...best }] },
      nowMs,
    );
  }),
  open("/v5/market/kline", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("symbol"));
    const { last } = quoteOf(market);
    const starts = candleStarts({ nowMs, stepMs: stepOf(text("interval")), limit: text("limit") });
    const list = starts.toReversed().map((start) => [String(start), last, last, last, last, "1", last]);
    return result({ category: "spot", symbol: market.id, list }, nowMs);
  }),
  open("/v5/market/orderbook", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("symbol"));
    const { bids, asks } = bookOf(market, text("limit"));
    return result({ s: market.id, b: bids, a: asks, ts: nowMs, u: 1 }, nowMs);
  }),
];

const everywhere: readonly Route[] = [
  ...marketRoutes,
  ...keyRoutes,
  { method: "GET", path: "/v5/market/time", needs: "nothing", answer: time },
  { method: "GET", path: "/v5/market/instruments-info", needs: "nothing", answer: instruments },
  // "Any permission can access this endpoint."
  { method: "GET", path: "/v5/user/query-api", needs: "key", answer: queryApi },
  { method: "GET", path: "/v5/account/info", needs: "read", answer: accountInfo },
  { method: "GET", path: "/v5/account/wallet-balance", needs: "read", answer: walletBalance },
  { method: "GET", path: "/v5/asset/coin/query-info", needs: "read", answer: coins },
  { method: "GET", path: "/v5/order/realtime", needs: "read", answer: listOrders },
  { method: "GET", path: "/v5/order/history", needs: "read", answer: listHistory },
  { method: "POST", path: "/v5/order/create", needs: "trade", answer: createOrder },
  { method: "POST", path: "/v5/order/cancel", needs: "trade", answer: cancel },
  { method: "GET", path: "/v5/position/list", needs: "read", answer: listPositions },
];

/** What demo trading has beside the market data ("Demo Trading Service", list of available APIs). */
const inDemo: readonly string[] = [
  "/v5/account/info",
  "/v5/account/wallet-balance",
  "/v5/order/realtime",
  "/v5/order/history",
  "/v5/order/create",
  "/v5/order/cancel",
  "/v5/position/list",
];

/** All else is answered with its own code on the host of demo trading ("Error codes", 10032). */
const notInDemo = (): Answer => refuse(10032, "Demo trading are not supported.");

const routes: readonly Route[] = everywhere.flatMap((route): readonly Route[] =>
  route.needs === "nothing" || inDemo.includes(route.path)
    ? [route]
    : [
        { ...route, hosts: ["live", "testnet"] },
        { ...route, hosts: ["paper"], needs: "key", answer: notInDemo },
      ],
);

/**
 * Bybit v5 signs time, key, window and then the query (GET) or the body (POST): HMAC-SHA256 in hex. Method
 * and path are not signed. Source: bybit-exchange.github.io/docs/v5/guide, "Authentication".
 */
export function verifyBybit(
  signed: Readonly<{ timestamp: string; apiKey: string; recvWindow: string; payload: string }>,
  signature: string,
  secret: string,
): boolean {
  const text = signed.timestamp + signed.apiKey + signed.recvWindow + signed.payload;
  return equal(signature, createHmac("sha256", secret).update(text).digest("hex"));
}

export const bybit: SimulatedVenue = {
  id: "bybit",
  hosts: ["live", "testnet", "paper"],
  startingBalances,
  refusals,
  keyRefusals,
  routes,
  issue: () => ({ apiKey: randomAlphanumeric(18), apiSecret: randomAlphanumeric(36) }),
  claim(request) {
    const apiKey = header(request, "x-bapi-api-key");
    if (apiKey === "") throw new Refused("missing_credentials");
    return {
      apiKey,
      signedAtMs: Number(header(request, "x-bapi-timestamp") || Number.NaN),
      windowMs: Number(header(request, "x-bapi-recv-window") || defaultRecvWindow),
      aheadMs,
    };
  },
  signatureHolds(request, { apiKey, verifier }) {
    const signed = {
      timestamp: header(request, "x-bapi-timestamp"),
      apiKey,
      recvWindow: header(request, "x-bapi-recv-window"),
      payload: request.method === "GET" ? request.query : request.body,
    };
    return typeof verifier === "string" && verifyBybit(signed, header(request, "x-bapi-sign"), verifier);
  },
};
