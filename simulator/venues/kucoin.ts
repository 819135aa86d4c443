import { createHmac } from "node:crypto";
import type { Market, Order, TimeInForce } from "../accounts.ts";
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
  filledCost,
  findOrder,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
} from "../orders.ts";
import { randomCapitals, randomHex } from "../random-text.ts";
import { type Answer, type Reason, Refused } from "../refusal.ts";
import { decoded, header, jsonBody, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import type { Call, Route, SimulatedVenue } from "../venue.ts";
import { data, keyRefusals, keyRoutes, refuse, shownRights } from "./kucoin-keys.ts";

// Sources: kucoin.com/docs-new (API key info, spot high-frequency orders, accounts, error codes),
// Kucoin/kucoin-universal-sdk.

const markets = usdtMarkets((base, quote) => `${base}-${quote}`);
const windowMs = 5000;
/**
 * Keys of version 1 are made no more; both versions since send a MAC of the passphrase ("Authentication").
 */
const keyVersions: readonly string[] = ["2", "3"];
const contractSize = units("0.001");

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(
    401,
    "400001",
    "Please check the header of your request for KC-API-KEY, KC-API-SIGN, KC-API-TIMESTAMP, KC-API-PASSPHRASE",
  ),
  unknown_key: refuse(401, "400003", "KC-API-KEY not exists"),
  wrong_environment: refuse(401, "400003", "KC-API-KEY not exists"),
  bad_signature: refuse(401, "400005", "Signature error"),
  wrong_passphrase: refuse(401, "400004", "KC-API-PASSPHRASE error"),
  expired_key: refuse(401, "400003", "KC-API-KEY not exists"),
  insufficient_permission: refuse(403, "400007", "Access denied, require more permission"),
  ip_not_allowed: refuse(401, "400006", "The requested ip address is not in the api whitelist"),
  clock_skew: refuse(401, "400002", "KC-API-TIMESTAMP Invalid"),
  bad_nonce: refuse(401, "400002", "KC-API-TIMESTAMP Invalid"),
  account_locked: refuse(403, "411100", "User is frozen"),
  rate_limited: refuse(429, "429000", "Too Many Requests"),
  unavailable: refuse(500, "500000", "Internal Server Error"),
  malformed_request: refuse(400, "400100", "Parameter error"),
  unknown_symbol: refuse(400, "900001", "symbol not exists"),
  insufficient_funds: refuse(200, "200004", "Balance insufficient!"),
  duplicate_order: refuse(400, "400100", "validation.createOrder.clientOidDuplicated"),
  unknown_order: refuse(400, "400100", "order not exist."),
  unknown_path: refuse(404, "404000", "URL Not Found"),
};

function apiKeyInfo({ key, account }: Call): Answer {
  return data({
    remark: key.label,
    apiKey: key.apiKey,
    apiVersion: 3,
    ...shownRights(key),
    createdAt: key.createdAtMs,
    uid: account.number,
    isMaster: account.parent === null,
    ...(account.parent !== null && { subName: account.name }),
  });
}

const showSymbol = (market: Market) => ({
  symbol: market.id,
  name: market.id,
  baseCurrency: market.base,
  quoteCurrency: market.quote,
  baseMinSize: "0.00001",
  quoteMinSize: "0.1",
  baseMaxSize: "10000",
  quoteMaxSize: "99999999",
  baseIncrement: "0.00000001",
  quoteIncrement: "0.000001",
  priceIncrement: "0.1",
  isMarginEnabled: false,
  enableTrading: true,
});

const tickers = () =>
  markets.map(({ id, price }) => ({
    symbol: id,
    last: formatUnits(price),
    takerFeeRate: "0.001",
    makerFeeRate: "0.001",
    takerCoefficient: "1",
    makerCoefficient: "1",
  }));

/** Perpetual contracts write XBT for bitcoin. */
const contractBase = (base: string): string => (base === "BTC" ? "XBT" : base);

const showContract = (market: Market) => ({
  symbol: `${contractBase(market.base)}USDTM`,
  baseCurrency: contractBase(market.base),
  quoteCurrency: market.quote,
  settleCurrency: market.quote,
  multiplier: Number(formatUnits(contractSize)),
  lotSize: 1,
  tickSize: 0.1,
  maxOrderQty: 1000000,
  maxPrice: 1000000,
  maxLeverage: 100,
  isInverse: false,
  nextFundingRateTime: 1,
  status: "Open",
});

const currencies = () =>
  Object.keys(startingBalances).map((currency) => ({
    currency,
    name: currency,
    fullName: currency,
    precision: 8,
    chains: [{ chainName: currency, chainId: currency.toLowerCase() }],
  }));

const accounts = ({ account, text }: Call): Answer =>
  data(
    [...account.balances].map(([currency, { free, locked }]) => ({
      id: account.uuid,
      currency,
      type: text("type") ?? "trade_hf",
      balance: formatUnits(free + locked),
      available: formatUnits(free),
      holds: formatUnits(locked),
    })),
  );

const orderRules: OrderRules = {
  newId: () => randomHex(12),
  clientOrderId: /^[\w-]{1,40}$/,
  // Observed: only orders that are open are compared (kucoin-api-docs, issue 468).
  uniqueAmong: "open",
};

const timesInForce = { GTC: "gtc", IOC: "ioc", FOK: "fok" } as const;

/**
 * GTT needs `cancelAfter`, which is not simulated; `postOnly` goes with neither IOC nor FOK ("Add order").
 */
function timeInForce(text: Call["text"]): TimeInForce {
  const given = timeInForceOf(timesInForce, text("timeInForce") || "GTC");
  return given === "gtc" && text("postOnly") === "true" ? "post_only" : given;
}

const unsimulated = ["cancelAfter", "hidden", "iceberg", "visibleSize", "stop", "stopPrice"];

function createOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(jsonBody(request), unsimulated);
  const order = placeOrder(
    account,
    {
      clientOrderId: text("clientOid"),
      market: marketNamed(markets, text("symbol")),
      side: text("side"),
      type: text("type"),
      quantity: parseUnits(text("size")),
      cost: parseUnits(text("funds")),
      price: parseUnits(text("price")),
      timeInForce: timeInForce(text),
    },
    nowMs,
    orderRules,
  );
  return data({ orderId: order.id, clientOid: order.clientOrderId });
}

const showOrder = (order: Order) => ({
  id: order.id,
  clientOid: order.clientOrderId,
  symbol: order.market.id,
  opType: "DEAL",
  type: order.type,
  side: order.side,
  price: formatUnits(order.price ?? 0n),
  size: formatUnits(order.quantity),
  funds: "0",
  dealSize: formatUnits(order.filled),
  dealFunds: formatUnits(filledCost(order)),
  fee: "0",
  feeCurrency: order.market.quote,
  timeInForce: order.timeInForce === "post_only" ? "GTC" : order.timeInForce.toUpperCase(),
  postOnly: order.timeInForce === "post_only",
  cancelExist: order.status === "cancelled" || order.status === "expired",
  active: order.status === "open",
  createdAt: order.createdAtMs,
  lastUpdatedAt: order.updatedAtMs,
  tradeType: "TRADE",
});

/**
 * The symbol is required beside the order ("Get order by orderId", "Cancel order by orderId" and by
 * clientOid).
 */
const orderNamed = ({ account, text }: Call): Order =>
  findOrder(account, {
    id: text("orderId"),
    clientOrderId: text("clientOid"),
    market: marketNamed(markets, text("symbol")),
  });

const showNamed = (call: Call): Answer => data(showOrder(orderNamed(call)));

function cancelNamed(call: Call): Answer {
  const order = cancelOrder(call.account, orderNamed(call), call.nowMs);
  return data(
    call.text("orderId") === undefined ? { clientOid: order.clientOrderId } : { orderId: order.id },
  );
}

const activeOrders = ({ account, text }: Call): Answer =>
  data(openOrders(account, marketNamed(markets, text("symbol"))).map(showOrder));

function doneOrders({ account, text }: Call): Answer {
  const market = marketNamed(markets, text("symbol"));
  const done = account.orders.filter((order) => order.status !== "open" && order.market === market);
  return data({ lastId: 0, items: done.map(showOrder) });
}

const positions = ({ account, nowMs }: Call): Answer =>
  data(
    account.positions.map(({ base, side, quantity, entryPrice }) => {
      const market = marketOf(markets, base);
      const size = side === "long" ? quantity : -quantity;
      return {
        id: `${account.number}-${base}`,
        symbol: showContract(market).symbol,
        crossMode: true,
        currentTimestamp: nowMs,
        currentQty: Number(formatUnits(divide(size, contractSize))),
        posCost: Number(formatUnits(multiply(size, entryPrice))),
        avgEntryPrice: Number(formatUnits(entryPrice)),
        markPrice: Number(formatUnits(market.price)),
        unrealisedPnl: Number(formatUnits(multiply(size, market.price - entryPrice))),
        isOpen: true,
      };
    }),
  );

const marketRoutes: readonly Route[] = [
  open("/api/v1/market/stats", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("symbol"));
    const { last, bid, ask, volume } = quoteOf(market);
    const day = { high: last, low: last, vol: volume, changeRate: "0", changePrice: "0", averagePrice: last };
    return data({ time: nowMs, symbol: market.id, buy: bid, sell: ask, last, ...day });
  }),
  open("/api/v1/market/candles", ({ text, nowMs }) => {
    const { last } = quoteOf(marketNamed(markets, text("symbol")));
    const starts = candleStarts({ nowMs, stepMs: stepOf(text("type")), limit: undefined }).toReversed();
    return data(starts.map((start) => [String(start / 1000), last, last, last, last, "1", last]));
  }),
  open("/api/v1/market/orderbook/:level", ({ text, nowMs }) => {
    const { bids, asks } = bookOf(marketNamed(markets, text("symbol")), undefined);
    return data({ time: nowMs, sequence: "1", bids, asks });
  }),
];

const routes: readonly Route[] = [
  ...marketRoutes,
  ...keyRoutes,
  { method: "GET", path: "/api/v1/timestamp", needs: "nothing", answer: ({ nowMs }) => data(nowMs) },
  { method: "GET", path: "/api/v2/symbols", needs: "nothing", answer: () => data(markets.map(showSymbol)) },
  {
    method: "GET",
    path: "/api/v1/market/allTickers",
    needs: "nothing",
    answer: ({ nowMs }) => data({ time: nowMs, ticker: tickers() }),
  },
  { method: "GET", path: "/api/v3/currencies", needs: "nothing", answer: () => data(currencies()) },
  {
    method: "GET",
    path: "/api/v1/contracts/active",
    needs: "nothing",
    answer: () => data(markets.map(showContract)),
  },
  { method: "GET", path: "/api/v1/user/api-key", needs: "read", answer: apiKeyInfo },
  {
    method: "GET",
    path: "/api/ua/v1/account/mode",
    needs: "read",
    answer: () => data({ selfAccountMode: "CLASSIC" }),
  },
  { method: "GET", path: "/api/v3/margin/symbols", needs: "read", answer: () => data({ items: [] }) },
  { method: "GET", path: "/api/v1/isolated/symbols", needs: "read", answer: () => data([]) },
  { method: "GET", path: "/api/v1/hf/accounts/opened", needs: "read", answer: () => data(true) },
  { method: "GET", path: "/api/v1/accounts", needs: "read", answer: accounts },
  { method: "POST", path: "/api/v1/hf/orders", needs: "trade", answer: createOrder },
  { method: "GET", path: "/api/v1/hf/orders/active", needs: "read", answer: activeOrders },
  { method: "GET", path: "/api/v1/hf/orders/done", needs: "read", answer: doneOrders },
  { method: "GET", path: "/api/v1/hf/orders/:orderId", needs: "read", answer: showNamed },
  { method: "GET", path: "/api/v1/hf/orders/client-order/:clientOid", needs: "read", answer: showNamed },
  { method: "DELETE", path: "/api/v1/hf/orders/:orderId", needs: "trade", answer: cancelNamed },
  {
    method: "DELETE",
    path: "/api/v1/hf/orders/client-order/:clientOid",
    needs: "trade",
    answer: cancelNamed,
  },
  { method: "GET", path: "/api/v1/positions", needs: "read", answer: positions },
];

const mac = (text: string, secret: string): string =>
  createHmac("sha256", secret).update(text).digest("base64");

/**
 * KuCoin signs time, method, path with query, and body: HMAC-SHA256 in base64.
 * Source: kucoin.com/docs-new/authentication, "Signing a message".
 */
export const verifyKucoin = (
  signed: Readonly<{ timestamp: string; method: string; target: string; body: string }>,
  signature: string,
  secret: string,
): boolean => equal(signature, mac(signed.timestamp + signed.method + signed.target + signed.body, secret));

/** Since key version 2 the passphrase does not travel: its HMAC-SHA256 under the secret does, in base64. */
export const verifyKucoinPassphrase = (given: string, passphrase: string, secret: string): boolean =>
  equal(given, mac(passphrase, secret));

export const kucoin: SimulatedVenue = {
  id: "kucoin",
  hosts: ["live"],
  startingBalances,
  refusals,
  keyRefusals,
  routes,
  issue: () => ({
    apiKey: randomHex(12),
    apiSecret: `${randomHex(4)}-${randomHex(2)}-${randomHex(2)}-${randomHex(2)}-${randomHex(6)}`,
    passphrase: `Pass-${randomCapitals(12)}`,
  }),
  claim(request) {
    const apiKey = header(request, "kc-api-key");
    if (apiKey === "") throw new Refused("missing_credentials");
    return { apiKey, signedAtMs: Number(header(request, "kc-api-timestamp") || Number.NaN), windowMs };
  },
  signatureHolds(request, { verifier }) {
    const signed = {
      timestamp: header(request, "kc-api-timestamp"),
      method: request.method,
      // What is not yet encoded is signed (kucoin-universal-sdk, `default_transport`).
      target: request.path + (request.query === "" ? "" : `?${decoded(request.query)}`),
      body: request.body,
    };
    return typeof verifier === "string" && verifyKucoin(signed, header(request, "kc-api-sign"), verifier);
  },
  passphraseHolds: (request, { passphrase = "", verifier }) =>
    typeof verifier === "string" &&
    keyVersions.includes(header(request, "kc-api-key-version")) &&
    verifyKucoinPassphrase(header(request, "kc-api-passphrase"), passphrase, verifier),
};
