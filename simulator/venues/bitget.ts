import { createHmac, randomInt } from "node:crypto";
import type { Market, Order } from "../accounts.ts";
import { formatUnits, multiply, parseUnits } from "../decimal.ts";
import {
  bookOf,
  candleStarts,
  marketNamed,
  marketOf,
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
import { header, jsonBody, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import { writes } from "../sub-accounts.ts";
import type { Call, PrivateRoute, PublicCall, Route, SimulatedVenue } from "../venue.ts";
import { inMode, keyRefusals, keyRoutes, refuse, success, unifiedWords } from "./bitget-keys.ts";

// Sources: bitget.com/api-doc (spot account information, spot trade, unified account, error codes).

const markets = usdtMarkets((base, quote) => base + quote);
const windowMs = 30_000;

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(400, "40001", "ACCESS_KEY cannot be empty"),
  unknown_key: refuse(400, "40037", "Apikey does not exist"),
  wrong_environment: refuse(400, "40099", "exchange environment is incorrect"),
  bad_signature: refuse(400, "40009", "sign signature error"),
  wrong_passphrase: refuse(400, "40012", "apikey/password is incorrect"),
  expired_key: refuse(400, "40037", "Apikey does not exist"),
  insufficient_permission: refuse(403, "40014", "Incorrect permissions"),
  ip_not_allowed: refuse(403, "40018", "Invalid IP"),
  clock_skew: refuse(400, "40008", "Request timestamp expired"),
  bad_nonce: refuse(400, "40005", "Invalid ACCESS_TIMESTAMP"),
  account_locked: refuse(400, "40013", "User status is abnormal"),
  rate_limited: refuse(429, "429", "Too Many Requests"),
  unavailable: refuse(503, "40015", "System is abnormal, please try again later"),
  malformed_request: refuse(400, "400172", "Parameter verification failed"),
  unknown_symbol: refuse(400, "40034", "Parameter symbol does not exist"),
  insufficient_funds: refuse(400, "43012", "Insufficient balance"),
  duplicate_order: refuse(400, "43118", "clientOrderId duplicate"),
  unknown_order: refuse(400, "43001", "The order does not exist"),
  unknown_path: refuse(404, "40404", "Request URL NOT FOUND"),
};

function spotInfo({ key, account }: Call): Answer {
  const { read, trade, withdraw, transfer } = key.permissions;
  return success({
    userId: String(account.number),
    inviterId: "",
    ips: key.boundIps.join(","),
    // Words end in r for reading and w for writing: st is spot trade, tt transfer, wt and ww wallet.
    authorities: [
      ...(read ? ["stor", "wtor"] : []),
      ...(trade ? ["stow"] : []),
      ...(transfer ? ["ttow"] : []),
      ...(withdraw ? ["wwow"] : []),
      ...key.extraWords,
    ],
    parentId: account.number,
    traderType: "trader",
    channelCode: "",
    channel: "",
    regisTime: String(account.createdAtMs),
  });
}

function unifiedInfo({ key, account }: Call): Answer {
  return success({
    userId: String(account.number),
    ips: key.boundIps.join(","),
    permType: writes(key.permissions) ? "read-and-write" : "read-only",
    permissions: [...unifiedWords(key.permissions), ...key.extraWords],
  });
}

const showSymbol = (market: Market) => ({
  symbol: market.id,
  baseCoin: market.base,
  quoteCoin: market.quote,
  minTradeAmount: "0",
  maxTradeAmount: "900000000",
  takerFeeRate: "0.002",
  makerFeeRate: "0.002",
  pricePrecision: "2",
  quantityPrecision: "6",
  minTradeUSDT: "1",
  status: "online",
});

const showContract = (market: Market) => ({
  symbol: market.id,
  baseCoin: market.base,
  quoteCoin: market.quote,
  supportMarginCoins: [market.quote],
  minTradeNum: "0.001",
  priceEndStep: "1",
  pricePlace: "1",
  volumePlace: "3",
  sizeMultiplier: "0.001",
  symbolType: "perpetual",
  symbolStatus: "normal",
  minLever: "1",
  maxLever: "125",
});

const contracts = ({ text }: PublicCall): Answer =>
  success(text("productType") === "USDT-FUTURES" ? markets.map(showContract) : []);

const coins = (): Answer =>
  success(
    Object.keys(startingBalances).map((coin) => ({
      coin,
      chains: [{ chain: coin, withdrawable: "true", rechargeable: "true" }],
    })),
  );

const assets = ({ account }: Call): Answer =>
  success(
    [...account.balances].map(([coin, { free, locked }]) => ({
      coin,
      available: formatUnits(free),
      frozen: formatUnits(locked),
      locked: "0",
      limitAvailable: "0",
      uTime: String(account.createdAtMs),
    })),
  );

const orderRules: OrderRules = {
  newId: () => String(10n ** 18n + BigInt(randomInt(2 ** 47))),
  clientOrderId: /^[\w.:/-]{1,64}$/,
  uniqueAmong: "ever",
};

/** Required of a limit order, and without meaning for a market order ("Place Order", `force`). */
const forces = { gtc: "gtc", ioc: "ioc", fok: "fok", post_only: "post_only" } as const;

const unsimulated = [
  "triggerPrice",
  "presetTakeProfitPrice",
  "executeTakeProfitPrice",
  "presetStopLossPrice",
  "executeStopLossPrice",
];

function createOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(jsonBody(request), unsimulated);
  if ((text("tpslType") ?? "normal") !== "normal") throw new Refused("malformed_request");
  const size = parseUnits(text("size"));
  // The size of a market order to buy is in the quote currency.
  const byCost = text("orderType") === "market" && text("side") === "buy";
  const order = placeOrder(
    account,
    {
      clientOrderId: text("clientOid"),
      market: marketNamed(markets, text("symbol")),
      side: text("side"),
      type: text("orderType"),
      ...(byCost ? { cost: size } : { quantity: size }),
      price: parseUnits(text("price")),
      timeInForce:
        text("orderType") === "market" ? "ioc" : timeInForceOf(forces, text("force")?.toLowerCase() ?? ""),
    },
    nowMs,
    orderRules,
  );
  return success({ orderId: order.id, clientOid: order.clientOrderId });
}

const statuses = { open: "live", filled: "filled", cancelled: "cancelled", expired: "cancelled" } as const;

const showOrder = (order: Order) => ({
  userId: "",
  symbol: order.market.id,
  orderId: order.id,
  clientOid: order.clientOrderId,
  price: formatUnits(order.price ?? 0n),
  size: formatUnits(order.quantity),
  orderType: order.type,
  force: order.timeInForce,
  side: order.side,
  status: statuses[order.status],
  priceAvg: formatUnits(order.filled > 0n ? order.market.price : 0n),
  baseVolume: formatUnits(order.filled),
  quoteVolume: formatUnits(filledCost(order)),
  enterPointSource: "API",
  cTime: String(order.createdAtMs),
  uTime: String(order.updatedAtMs),
});

/** An unknown order is an empty list here, not an error. */
function orderInfo({ account, text }: Call): Answer {
  const [id, clientOid] = [text("orderId"), text("clientOid")];
  const named = account.orders.filter((order) =>
    id === undefined ? order.clientOrderId === clientOid : order.id === id,
  );
  return success(named.map(showOrder));
}

function unfilledOrders({ account, text }: Call): Answer {
  const symbol = text("symbol");
  const market = symbol === undefined ? undefined : marketNamed(markets, symbol);
  return success(openOrders(account, market).map(showOrder));
}

/** The symbol is required beside the order ("Cancel Order"). */
function cancel({ account, text, nowMs }: Call): Answer {
  const market = marketNamed(markets, text("symbol"));
  const order = findOrder(account, { id: text("orderId"), clientOrderId: text("clientOid"), market });
  cancelOrder(account, order, nowMs);
  return success({ orderId: order.id, clientOid: order.clientOrderId });
}

function positions({ account, text, nowMs }: Call): Answer {
  if (text("productType") !== "USDT-FUTURES") return success([]);
  return success(
    account.positions.map(({ base, side, quantity, entryPrice }) => {
      const market = marketOf(markets, base);
      const gain = multiply(quantity, market.price - entryPrice);
      return {
        symbol: market.id,
        marginCoin: market.quote,
        holdSide: side,
        total: formatUnits(quantity),
        available: formatUnits(quantity),
        openPriceAvg: formatUnits(entryPrice),
        markPrice: formatUnits(market.price),
        unrealizedPL: formatUnits(side === "long" ? gain : -gain),
        marginMode: "crossed",
        posMode: "one_way_mode",
        marginSize: formatUnits(multiply(quantity, entryPrice)),
        leverage: "1",
        liquidationPrice: "0",
        cTime: String(nowMs),
      };
    }),
  );
}

type PrivateAnswer = PrivateRoute["answer"];

const classic = (
  method: "GET" | "POST",
  path: string,
  needs: PrivateRoute["needs"],
  answer: PrivateAnswer,
): Route => ({ method, path: `/api/v2/${path}`, needs, answer: inMode("classic", answer) });

const unified = (path: string, answer: PrivateAnswer): Route => ({
  method: "GET",
  path: `/api/v3/${path}`,
  needs: "read",
  answer: inMode("unified", answer),
});

const open = (path: string, answer: (call: PublicCall) => Answer): Route => ({
  method: "GET",
  path: `/api/v2/${path}`,
  needs: "nothing",
  answer,
});

const marketRoutes: readonly Route[] = [
  open("spot/market/tickers", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("symbol"));
    const { last, bid, ask, size, volume } = quoteOf(market);
    const day = { open: last, high24h: last, low24h: last, change24h: "0", baseVolume: volume };
    const best = { bidPr: bid, bidSz: size, askPr: ask, askSz: size };
    return success([{ symbol: market.id, lastPr: last, ts: String(nowMs), ...day, ...best }]);
  }),
  open("spot/market/candles", ({ text, nowMs }) => {
    const { last } = quoteOf(marketNamed(markets, text("symbol")));
    const starts = candleStarts({ nowMs, stepMs: stepOf(text("granularity")), limit: text("limit") });
    return success(starts.map((start) => [String(start), last, last, last, last, "1", last, last]));
  }),
  open("spot/market/orderbook", ({ text, nowMs }) =>
    success({ ...bookOf(marketNamed(markets, text("symbol")), text("limit")), ts: String(nowMs) }),
  ),
];

const routes: readonly Route[] = [
  ...marketRoutes,
  ...keyRoutes,
  open("public/time", ({ nowMs }) => success({ serverTime: String(nowMs) })),
  open("spot/public/symbols", () => success(markets.map(showSymbol))),
  open("spot/public/coins", coins),
  open("margin/currencies", () => success([])),
  open("mix/market/contracts", contracts),
  classic("GET", "spot/account/info", "read", spotInfo),
  classic("GET", "spot/account/assets", "read", assets),
  classic("POST", "spot/trade/place-order", "trade", createOrder),
  classic("GET", "spot/trade/orderInfo", "read", orderInfo),
  classic("GET", "spot/trade/unfilled-orders", "read", unfilledOrders),
  classic("POST", "spot/trade/cancel-order", "trade", cancel),
  classic("GET", "mix/position/all-position", "read", positions),
  unified("account/info", unifiedInfo),
  unified("account/settings", () => success({ assetMode: "union", holdMode: "one_way_mode" })),
];

/**
 * Bitget signs time, method, path with query, and body: HMAC-SHA256 in base64.
 * Source: bitget.com/api-doc/common/signature.
 */
export function verifyBitget(
  signed: Readonly<{ timestamp: string; method: string; target: string; body: string }>,
  signature: string,
  secret: string,
): boolean {
  const text = signed.timestamp + signed.method + signed.target + signed.body;
  return equal(signature, createHmac("sha256", secret).update(text).digest("base64"));
}

export const bitget: SimulatedVenue = {
  id: "bitget",
  hosts: ["live"],
  isDemo: (headers) => headers["paptrading"] === "1",
  startingBalances,
  refusals,
  keyRefusals,
  routes,
  issue: () => ({
    apiKey: `bg_${randomHex(16)}`,
    apiSecret: randomHex(32),
    passphrase: `Pass${randomCapitals(12)}`,
  }),
  claim(request) {
    const apiKey = header(request, "access-key");
    if (apiKey === "") throw new Refused("missing_credentials");
    return { apiKey, signedAtMs: Number(header(request, "access-timestamp") || Number.NaN), windowMs };
  },
  signatureHolds(request, { verifier }) {
    const signed = {
      timestamp: header(request, "access-timestamp"),
      method: request.method,
      target: request.path + (request.query === "" ? "" : `?${request.query}`),
      body: request.body,
    };
    return typeof verifier === "string" && verifyBitget(signed, header(request, "access-sign"), verifier);
  },
  passphraseHolds: (request, { passphrase = "" }) => equal(header(request, "access-passphrase"), passphrase),
};
