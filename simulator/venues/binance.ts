import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import type { Credentials, Market, Order, Signing, TimeInForce } from "../accounts.ts";
import { formatUnits, multiply, parseUnits } from "../decimal.ts";
import { marketNamed, marketOf, startingBalances, usdtMarkets } from "../market-data.ts";
import {
  cancelOrder,
  filledCost,
  findOrder,
  nextNumber,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
} from "../orders.ts";
import { randomAlphanumeric } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { header, parameters, refuseParameters, type WireRequest } from "../request.ts";
import { equal, signedPayload } from "../signing.ts";
import type { Call, Route, SimulatedVenue } from "../venue.ts";
import { keyRefusals, keyRoutes, refuse } from "./binance-keys.ts";
import { priceRoutes } from "./binance-prices.ts";

// Sources: developers.binance.com (spot errors, wallet "API key permission"), binance-spot-api-docs
// rest-api.md.

const markets = usdtMarkets((base, quote) => `${base}${quote}`);
const defaultRecvWindowMs = 5000;
const maxRecvWindowMs = 60_000;
const aheadMs = 1000;
const keyLength = 64;

/** One code for three causes: Binance does not say which. */
const keyAddressOrPermission = refuse(401, -2015, "Invalid API-key, IP, or permissions for action.");

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(401, -2014, "API-key format invalid."),
  unknown_key: refuse(401, -2008, "Invalid Api-Key ID."),
  wrong_environment: refuse(401, -2008, "Invalid Api-Key ID."),
  bad_signature: refuse(400, -1022, "Signature for this request is not valid."),
  wrong_passphrase: refuse(400, -1022, "Signature for this request is not valid."),
  expired_key: keyAddressOrPermission,
  insufficient_permission: keyAddressOrPermission,
  ip_not_allowed: keyAddressOrPermission,
  clock_skew: refuse(400, -1021, "Timestamp for this request is outside of the recvWindow."),
  bad_nonce: refuse(400, -1021, "Timestamp for this request is outside of the recvWindow."),
  account_locked: refuse(401, -1002, "You are not authorized to execute this request."),
  rate_limited: {
    ...refuse(429, -1003, "Too many requests; current limit of IP is 6000 requests per minute."),
    headers: { "retry-after": "10" },
  },
  unavailable: refuse(503, -1001, "Internal error; unable to process your request. Please try again."),
  malformed_request: refuse(400, -1102, "A mandatory parameter was not sent, was empty/null, or malformed."),
  unknown_symbol: refuse(400, -1121, "Invalid symbol."),
  insufficient_funds: refuse(400, -2010, "Account has insufficient balance for requested action."),
  duplicate_order: refuse(400, -2010, "Duplicate order sent."),
  unknown_order: refuse(400, -2013, "Order does not exist."),
  unknown_path: { status: 404, body: undefined },
};

function issue({ signing }: { signing: Signing | undefined }): Credentials {
  const apiKey = randomAlphanumeric(keyLength);
  if (signing !== "ed25519" && signing !== "rsa") return { apiKey, apiSecret: randomAlphanumeric(keyLength) };
  const { privateKey } =
    signing === "ed25519"
      ? generateKeyPairSync("ed25519")
      : generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { apiKey, apiSecret: privateKey.export({ type: "pkcs8", format: "pem" }) };
}

const verifier = (apiSecret: string): string | KeyObject =>
  apiSecret.includes("PRIVATE KEY") ? createPublicKey(apiSecret) : apiSecret;

function claim(request: WireRequest) {
  const apiKey = header(request, "x-mbx-apikey");
  if (apiKey.length !== keyLength) throw new Refused("missing_credentials");
  const given = parameters(request);
  if (!given.has("timestamp") || !given.has("signature")) throw new Refused("malformed_request");
  const windowMs = Number(given.get("recvWindow") ?? defaultRecvWindowMs);
  if (windowMs > maxRecvWindowMs) {
    throw new Refused("malformed_request", refuse(400, -1131, "recvWindow must be less than 60000"));
  }
  return { apiKey, signedAtMs: Number(given.get("timestamp")), windowMs, aheadMs };
}

const showMarket = (market: Market) => ({
  symbol: market.id,
  status: "TRADING",
  baseAsset: market.base,
  baseAssetPrecision: 8,
  quoteAsset: market.quote,
  quotePrecision: 8,
  quoteAssetPrecision: 8,
  orderTypes: ["LIMIT", "LIMIT_MAKER", "MARKET"],
  isSpotTradingAllowed: true,
  isMarginTradingAllowed: false,
  quoteOrderQtyMarketAllowed: true,
  filters: [
    { filterType: "PRICE_FILTER", minPrice: "0.01", maxPrice: "1000000", tickSize: "0.01" },
    { filterType: "LOT_SIZE", minQty: "0.00001", maxQty: "9000", stepSize: "0.00001" },
    { filterType: "NOTIONAL", minNotional: "5", applyMinToMarket: true, maxNotional: "9000000" },
  ],
  permissions: ["SPOT"],
});

const showPerpetual = (market: Market) => ({
  ...showMarket(market),
  pair: market.id,
  contractType: "PERPETUAL",
  deliveryDate: 4133404800000,
  onboardDate: 1569398400000,
  marginAsset: market.quote,
  pricePrecision: 2,
  quantityPrecision: 3,
  underlyingType: "COIN",
});

const exchangeInfo = (symbols: readonly unknown[], nowMs: number): Answer =>
  ok({ timezone: "UTC", serverTime: nowMs, rateLimits: [], exchangeFilters: [], symbols });

// "EXPIRED: the order was canceled according to the order type's rules" (enums, "Order status").
const statuses = { open: "NEW", filled: "FILLED", cancelled: "CANCELED", expired: "EXPIRED" } as const;

const showOrder = (order: Order) => ({
  symbol: order.market.id,
  orderId: Number(order.id),
  orderListId: -1,
  clientOrderId: order.clientOrderId,
  price: formatUnits(order.price ?? 0n),
  origQty: formatUnits(order.quantity),
  executedQty: formatUnits(order.filled),
  cummulativeQuoteQty: formatUnits(filledCost(order)),
  status: statuses[order.status],
  timeInForce:
    order.type === "limit" && order.timeInForce !== "post_only" ? order.timeInForce.toUpperCase() : "GTC",
  type: order.timeInForce === "post_only" ? "LIMIT_MAKER" : order.type.toUpperCase(),
  side: order.side.toUpperCase(),
  time: order.createdAtMs,
  updateTime: order.updatedAtMs,
  isWorking: order.status === "open",
});

function apiRestrictions({ key }: Call): Answer {
  const { read, trade, withdraw, transfer } = key.permissions;
  return ok({
    ipRestrict: key.boundIps.length > 0,
    createTime: key.createdAtMs,
    enableReading: read,
    enableWithdrawals: withdraw,
    enableInternalTransfer: transfer,
    enableMargin: false,
    enableFutures: false,
    permitsUniversalTransfer: transfer,
    enableVanillaOptions: false,
    enableFixApiTrade: false,
    enableFixReadOnly: false,
    enableSpotAndMarginTrading: trade,
    enablePortfolioMarginTrading: false,
    ...Object.fromEntries(key.extraWords.map((word) => [word, true])),
  });
}

const account = ({ account }: Call): Answer =>
  ok({
    makerCommission: 10,
    takerCommission: 10,
    canTrade: true,
    canWithdraw: true,
    canDeposit: true,
    updateTime: account.createdAtMs,
    accountType: "SPOT",
    balances: [...account.balances].map(([asset, { free, locked }]) => ({
      asset,
      free: formatUnits(free),
      locked: formatUnits(locked),
    })),
    permissions: ["SPOT"],
    uid: account.number,
  });

const timesInForce = { GTC: "gtc", IOC: "ioc", FOK: "fok" } as const;

/**
 * Of an order of this type: LIMIT must say it, and no other type may ("New order", "Mandatory parameters by
 * type").
 */
function timeInForce(type: string | undefined, given: string | undefined): TimeInForce {
  if (type === "LIMIT") {
    if (!given) throw missing("timeInForce");
    return timeInForceOf(timesInForce, given);
  }
  if (given) {
    const unwanted = refuse(400, -1106, "Parameter 'timeInForce' sent when not required.");
    throw new Refused("malformed_request", unwanted);
  }
  return type === "LIMIT_MAKER" ? "post_only" : "ioc";
}

const missing = (name: string): Refused =>
  new Refused(
    "malformed_request",
    refuse(400, -1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`),
  );

/** The market, which every call about an order must name. */
function namedMarket(text: Call["text"]): Market {
  const symbol = text("symbol");
  if (!symbol) throw missing("symbol");
  return marketNamed(markets, symbol);
}

const unsimulated = ["stopPrice", "trailingDelta", "icebergQty", "pegPriceType", "pegOffsetType"];

function createOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(Object.fromEntries(parameters(request)), unsimulated);
  const market = namedMarket(text);
  const type = text("type")?.toUpperCase();
  const terms = {
    clientOrderId: text("newClientOrderId"),
    market,
    side: text("side"),
    type: type === "LIMIT_MAKER" ? "limit" : type,
    timeInForce: timeInForce(type, text("timeInForce")),
    quantity: parseUnits(text("quantity")),
    cost: parseUnits(text("quoteOrderQty")),
    price: parseUnits(text("price")),
  };
  const order = placeOrder(account, terms, nowMs, orderRules);
  return ok({ ...showOrder(order), transactTime: nowMs, workingTime: nowMs, fills: [] });
}

// "Orders with the same newClientOrderID can be accepted only when the previous one is filled" (New order).
const orderRules: OrderRules = {
  newId: nextNumber,
  clientOrderId: /^[.A-Z:/a-z0-9_-]{1,36}$/,
  uniqueAmong: "open",
  refused: { post_only: refuse(400, -2010, "Order would immediately match and take.") },
};

function orderNamed({ account, text }: Call): Order {
  const market = namedMarket(text);
  return findOrder(account, { id: text("orderId"), clientOrderId: text("origClientOrderId"), market });
}

function deleteOrder(call: Call): Answer {
  try {
    const order = orderNamed(call);
    const origClientOrderId = order.clientOrderId;
    return ok({ ...showOrder(cancelOrder(call.account, order, call.nowMs)), origClientOrderId });
  } catch (error) {
    if (!(error instanceof Refused) || error.reason !== "unknown_order") throw error;
    throw new Refused("unknown_order", refuse(400, -2011, "Unknown order sent."));
  }
}

function listOpenOrders({ account, text }: Call): Answer {
  const symbol = text("symbol");
  const market = symbol === undefined ? undefined : marketNamed(markets, symbol);
  return ok(openOrders(account, market).map(showOrder));
}

const positionRisk = ({ account, nowMs }: Call): Answer =>
  ok(
    account.positions.map(({ base, side, quantity, entryPrice }) => {
      const market = marketOf(markets, base);
      const amount = side === "long" ? quantity : -quantity;
      return {
        symbol: market.id,
        positionSide: "BOTH",
        positionAmt: formatUnits(amount),
        entryPrice: formatUnits(entryPrice),
        breakEvenPrice: formatUnits(entryPrice),
        markPrice: formatUnits(market.price),
        unRealizedProfit: formatUnits(multiply(amount, market.price - entryPrice)),
        liquidationPrice: "0",
        isolatedMargin: "0",
        notional: formatUnits(multiply(amount, market.price)),
        marginAsset: market.quote,
        isolatedWallet: "0",
        initialMargin: "0",
        maintMargin: "0",
        updateTime: nowMs,
      };
    }),
  );

const coins = ({ account }: Call): Answer =>
  ok(
    [...account.balances.keys()].map((coin) => ({
      coin,
      name: coin,
      depositAllEnable: true,
      networkList: [],
    })),
  );

const time = ({ nowMs }: { nowMs: number }): Answer => ok({ serverTime: nowMs });

/** The testnet has the spot API only: no wallet API (`sapi`) and no futures. */
const live = ["live"] as const;
const futures = ["live", "paper"] as const;

const routes: readonly Route[] = [
  ...priceRoutes(markets),
  ...keyRoutes,
  { method: "GET", path: "/api/v3/ping", needs: "nothing", answer: () => ok({}) },
  { method: "GET", path: "/api/v3/time", needs: "nothing", answer: time },
  {
    method: "GET",
    path: "/api/v3/exchangeInfo",
    needs: "nothing",
    answer: ({ nowMs }) => exchangeInfo(markets.map(showMarket), nowMs),
  },
  { method: "GET", path: "/api/v3/account", needs: "read", answer: account },
  { method: "POST", path: "/api/v3/order", needs: "trade", answer: createOrder },
  { method: "GET", path: "/api/v3/order", needs: "read", answer: (call) => ok(showOrder(orderNamed(call))) },
  { method: "DELETE", path: "/api/v3/order", needs: "trade", answer: deleteOrder },
  { method: "GET", path: "/api/v3/openOrders", needs: "read", answer: listOpenOrders },
  {
    method: "GET",
    path: "/sapi/v1/account/apiRestrictions",
    hosts: live,
    needs: "read",
    answer: apiRestrictions,
  },
  { method: "GET", path: "/sapi/v1/capital/config/getall", hosts: live, needs: "read", answer: coins },
  { method: "GET", path: "/sapi/v1/margin/allPairs", hosts: live, needs: "read", answer: () => ok([]) },
  {
    method: "GET",
    path: "/sapi/v1/margin/isolated/allPairs",
    hosts: live,
    needs: "read",
    answer: () => ok([]),
  },
  { method: "GET", path: "/fapi/v1/time", hosts: futures, needs: "nothing", answer: time },
  {
    method: "GET",
    path: "/fapi/v1/exchangeInfo",
    hosts: futures,
    needs: "nothing",
    answer: ({ nowMs }) => exchangeInfo(markets.map(showPerpetual), nowMs),
  },
  {
    method: "GET",
    path: "/dapi/v1/exchangeInfo",
    hosts: futures,
    needs: "nothing",
    answer: ({ nowMs }) => exchangeInfo([], nowMs),
  },
  { method: "GET", path: "/fapi/v1/leverageBracket", hosts: futures, needs: "read", answer: () => ok([]) },
  { method: "GET", path: "/fapi/v2/positionRisk", hosts: futures, needs: "read", answer: positionRisk },
  { method: "GET", path: "/fapi/v3/positionRisk", hosts: futures, needs: "read", answer: positionRisk },
];

/**
 * Binance signs query and body together (see `signedPayload`): HMAC-SHA256 in hex, or RSA (PKCS #1 v1.5 with
 * SHA-256) or Ed25519 in base64. Method, path and headers are not signed. Source: binance-spot-api-docs,
 * rest-api.md, "SIGNED endpoint security".
 */
export function verifyBinance(payload: string, signature: string, verifier: string | KeyObject): boolean {
  if (typeof verifier === "string") {
    // "The signature is not case sensitive" (request security, HMAC keys).
    return equal(signature.toLowerCase(), createHmac("sha256", verifier).update(payload).digest("hex"));
  }
  const digest = verifier.asymmetricKeyType === "ed25519" ? null : "sha256";
  const bytes = Buffer.from(signature, "base64");
  // Base64 that decodes to the same bytes in another spelling is another signature.
  return bytes.toString("base64") === signature && verify(digest, Buffer.from(payload), verifier, bytes);
}

export const binance: SimulatedVenue = {
  id: "binance",
  hosts: ["live", "testnet", "paper"],
  startingBalances,
  refusals,
  keyRefusals,
  routes,
  issue,
  verifier,
  claim,
  signatureHolds: (request, key) =>
    verifyBinance(
      signedPayload(request.query, request.body),
      parameters(request).get("signature") ?? "",
      key.verifier,
    ),
};
