import { randomUUID } from "node:crypto";
import type { Market, Order, TimeInForce } from "../accounts.ts";
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
import { cancelOrder, filledCost, findOrder, type OrderRules, placeOrder } from "../orders.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { asText, isRecord, jsonBody, refuseParameters } from "../request.ts";
import type { Call, PublicCall, Route, SimulatedVenue } from "../venue.ts";
import { claim, issue, signatureHolds, verifier } from "./coinbase-tokens.ts";

// Sources: docs.cdp.coinbase.com/coinbase-app (API key permissions, orders, fills, accounts).

const markets = usdtMarkets((base, quote) => `${base}-${quote}`);

const refuse = (status: number, error: string, message: string): Answer => ({
  status,
  body: { error, error_details: message, message },
});

/** Whatever is wrong with a token, the answer is this one, and no JSON. */
const unauthorized: Answer = {
  status: 401,
  text: "Unauthorized\n",
  headers: { "content-type": "text/plain; charset=utf-8" },
};

/** Refusals of an order come with status 200. */
const refuseOrder = (error: string, message: string): Answer =>
  ok({
    success: false,
    failure_reason: "UNKNOWN_FAILURE_REASON",
    error_response: { error, message, error_details: "", preview_failure_reason: `PREVIEW_${error}` },
  });

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: unauthorized,
  unknown_key: unauthorized,
  wrong_environment: unauthorized,
  bad_signature: unauthorized,
  wrong_passphrase: unauthorized,
  expired_key: unauthorized,
  insufficient_permission: refuse(403, "PERMISSION_DENIED", "Missing required scopes"),
  // No answer of its own is documented for an address that is not on the key's list; this is an assumption.
  ip_not_allowed: unauthorized,
  clock_skew: unauthorized,
  bad_nonce: unauthorized,
  account_locked: refuse(403, "PERMISSION_DENIED", "User is not allowed to trade"),
  rate_limited: {
    status: 429,
    body: { errors: [{ id: "rate_limit_exceeded", message: "Too many requests" }] },
  },
  unavailable: {
    status: 503,
    body: { errors: [{ id: "internal_server_error", message: "Try again later" }] },
  },
  malformed_request: refuse(400, "INVALID_ARGUMENT", "Invalid argument"),
  unknown_symbol: refuse(400, "INVALID_ARGUMENT", "ProductID is invalid"),
  insufficient_funds: refuseOrder("INSUFFICIENT_FUND", "Insufficient balance in source account"),
  duplicate_order: refuse(400, "INVALID_ARGUMENT", "client_order_id is not unique"),
  unknown_order: refuse(404, "unknown", "order with this orderID was not found"),
  unknown_path: refuse(404, "NOT_FOUND", "Not found"),
};

const keyPermissions = ({ key, account }: Call): Answer =>
  ok({
    can_view: key.permissions.read,
    can_trade: key.permissions.trade,
    // Coinbase has one word for moving money, in or out.
    can_transfer: key.permissions.withdraw || key.permissions.transfer,
    portfolio_uuid: account.uuid,
    portfolio_type: "DEFAULT",
    ...Object.fromEntries(key.extraWords.map((word) => [word, true])),
  });

const showProduct = (market: Market) => ({
  product_id: market.id,
  price: formatUnits(market.price),
  base_currency_id: market.base,
  quote_currency_id: market.quote,
  base_increment: "0.00000001",
  quote_increment: "0.01",
  price_increment: "0.01",
  base_min_size: "0.00000001",
  base_max_size: "3400",
  quote_min_size: "1",
  quote_max_size: "150000000",
  status: "online",
  trading_disabled: false,
  product_type: "SPOT",
});

function products({ text }: PublicCall): Answer {
  const found = text("product_type") === "FUTURE" ? [] : markets.map(showProduct);
  return ok({ products: found, num_products: found.length });
}

const currencies = (): Answer =>
  ok({
    data: Object.keys(startingBalances).map((code) => ({ asset_id: code, code, name: code, type: "crypto" })),
  });

const accounts = ({ account }: Call): Answer =>
  ok({
    accounts: [...account.balances].map(([currency, { free, locked }]) => ({
      uuid: account.uuid,
      name: `${currency} Wallet`,
      currency,
      available_balance: { value: formatUnits(free), currency },
      hold: { value: formatUnits(locked), currency },
      active: true,
      ready: true,
      type: "ACCOUNT_TYPE_CRYPTO",
    })),
    has_next: false,
    cursor: "",
    size: account.balances.size,
  });

/** The older list of the same accounts: one amount each, and nothing of what orders hold. */
const wallets = ({ account }: Call): Answer =>
  ok({
    data: [...account.balances].map(([code, { free }]) => ({
      id: code,
      name: `${code} Wallet`,
      type: "wallet",
      currency: { code, name: code },
      balance: { amount: formatUnits(free), currency: code },
    })),
  });

const orderRules: OrderRules = {
  newId: randomUUID,
  clientOrderId: /^.{1,128}$/,
  uniqueAmong: "nothing",
  // `CreateOrderFailureReason` of "Create order".
  refused: {
    post_only: refuseOrder(
      "INVALID_LIMIT_PRICE_POST_ONLY",
      "The price of a post-only order would match an order",
    ),
  },
};

/** One kind of order says its type and its time in force; the others of "Create order" are not simulated. */
const kinds: Readonly<Record<string, readonly ["limit" | "market", TimeInForce]>> = {
  limit_limit_gtc: ["limit", "gtc"],
  sor_limit_ioc: ["limit", "ioc"],
  limit_limit_fok: ["limit", "fok"],
  market_market_ioc: ["market", "ioc"],
};

const unsimulated = ["leverage", "margin_type", "attached_order_configuration"];

function terms(configuration: unknown) {
  const [entry, ...more] = Object.entries(isRecord(configuration) ? configuration : {});
  const [name = "", given] = entry ?? [];
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (kind === undefined || !isRecord(given) || more.length > 0) throw new Refused("malformed_request");
  const [type, timeInForce] = kind;
  return {
    type,
    timeInForce: name === "limit_limit_gtc" && given["post_only"] === true ? "post_only" : timeInForce,
    quantity: parseUnits(asText(given["base_size"])),
    cost: parseUnits(asText(given["quote_size"])),
    price: parseUnits(asText(given["limit_price"])),
  } as const;
}

/**
 * "If the ID provided is not unique, the order corresponding with that ID will be returned" (create order).
 */
function createOrder({ account, request, text, nowMs }: Call): Answer {
  const clientOrderId = text("client_order_id");
  const sent = jsonBody(request);
  refuseParameters(sent, unsimulated);
  const { order_configuration: configuration } = sent;
  const known = account.orders.find((order) => order.clientOrderId === clientOrderId);
  const order =
    known ??
    placeOrder(
      account,
      {
        clientOrderId,
        market: marketNamed(markets, text("product_id")),
        side: text("side"),
        ...terms(configuration),
      },
      nowMs,
      orderRules,
    );
  return ok({
    success: true,
    success_response: {
      order_id: order.id,
      product_id: order.market.id,
      side: order.side.toUpperCase(),
      client_order_id: order.clientOrderId,
    },
    order_configuration: configuration,
  });
}

const statuses = { open: "OPEN", filled: "FILLED", cancelled: "CANCELLED", expired: "CANCELLED" } as const;
const timesInForce: Readonly<Record<TimeInForce, string>> = {
  gtc: "GOOD_UNTIL_CANCELLED",
  day: "GOOD_UNTIL_CANCELLED",
  post_only: "GOOD_UNTIL_CANCELLED",
  ioc: "IMMEDIATE_OR_CANCEL",
  fok: "FILL_OR_KILL",
};

function showConfiguration({ type, timeInForce, quantity, price = 0n }: Order) {
  const base_size = formatUnits(quantity);
  if (type === "market") return { market_market_ioc: { base_size } };
  const limit = { base_size, limit_price: formatUnits(price) };
  if (timeInForce === "ioc") return { sor_limit_ioc: limit };
  if (timeInForce === "fok") return { limit_limit_fok: limit };
  return { limit_limit_gtc: { ...limit, post_only: timeInForce === "post_only" } };
}

const showOrder = (order: Order) => ({
  order_id: order.id,
  product_id: order.market.id,
  user_id: "",
  order_configuration: showConfiguration(order),
  side: order.side.toUpperCase(),
  client_order_id: order.clientOrderId,
  status: statuses[order.status],
  time_in_force: timesInForce[order.timeInForce],
  created_time: new Date(order.createdAtMs).toISOString(),
  filled_size: formatUnits(order.filled),
  filled_value: formatUnits(filledCost(order)),
  average_filled_price: formatUnits(order.filled > 0n ? order.market.price : 0n),
  total_fees: "0",
  order_type: order.type.toUpperCase(),
  settled: order.status === "filled",
});

function listOrders({ account, text }: Call): Answer {
  const [status, product] = [text("order_status"), text("product_id") ?? text("product_ids")];
  const orders = account.orders
    .filter((order) => status === undefined || statuses[order.status] === status)
    .filter((order) => product === undefined || order.market.id === product);
  return ok({ orders: orders.map(showOrder), has_next: false, cursor: "" });
}

/** A fill of each order that was filled ("List fills"). */
function listFills({ account, text }: Call): Answer {
  const [id, product] = [text("order_ids") ?? text("order_id"), text("product_ids") ?? text("product_id")];
  const fills = account.orders
    .filter((order) => order.status === "filled")
    .filter((order) => (id ?? order.id) === order.id && (product ?? order.market.id) === order.market.id)
    .map((order) => ({
      entry_id: order.id,
      trade_id: order.id,
      order_id: order.id,
      trade_time: iso(order.createdAtMs),
      trade_type: "FILL",
      price: formatUnits(order.market.price),
      size: formatUnits(order.filled),
      commission: "0",
      product_id: order.market.id,
      sequence_timestamp: iso(order.createdAtMs),
      liquidity_indicator: "TAKER",
      size_in_quote: false,
      side: order.side.toUpperCase(),
    }));
  return ok({ fills, cursor: "" });
}

function cancelOrders({ account, request, nowMs }: Call): Answer {
  const { order_ids: ids } = jsonBody(request);
  if (!Array.isArray(ids)) throw new Refused("malformed_request");
  const results = ids.map((id) => {
    const order = account.orders.find((order) => order.id === id && order.status === "open");
    if (order === undefined) return { success: false, failure_reason: "UNKNOWN_CANCEL_ORDER", order_id: id };
    cancelOrder(account, order, nowMs);
    return { success: true, failure_reason: "UNKNOWN_CANCEL_FAILURE_REASON", order_id: id };
  });
  return ok({ results });
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
const iso = (ms: number): string => new Date(ms).toISOString();

const granularities: Readonly<Record<string, string>> = {
  ONE_MINUTE: "1m",
  FIVE_MINUTE: "5m",
  FIFTEEN_MINUTE: "15m",
  ONE_HOUR: "1h",
  ONE_DAY: "1d",
};

const marketRoutes: readonly Route[] = [
  open("/api/v3/brokerage/market/products/:id/ticker", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("id"));
    const { last, bid, ask } = quoteOf(market);
    const trade = {
      trade_id: "1",
      product_id: market.id,
      price: last,
      size: "1",
      time: iso(nowMs),
      side: "BUY",
    };
    return ok({ trades: [trade], best_bid: bid, best_ask: ask });
  }),
  open("/api/v3/brokerage/market/products/:id/candles", ({ text, nowMs }) => {
    const { last: price } = quoteOf(marketNamed(markets, text("id")));
    const stepMs = stepOf(granularities[text("granularity") ?? ""]);
    const starts = candleStarts({ nowMs, stepMs, limit: text("limit") }).toReversed();
    const prices = { low: price, high: price, open: price, close: price, volume: "1" };
    return ok({ candles: starts.map((start) => ({ start: String(seconds(start)), ...prices })) });
  }),
  open("/api/v3/brokerage/market/product_book", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("product_id"));
    const { bids, asks } = bookOf(market, text("limit"));
    const levels = (side: typeof bids) => side.map(([price, size]) => ({ price, size }));
    const book = { product_id: market.id, bids: levels(bids), asks: levels(asks), time: iso(nowMs) };
    return ok({ pricebook: book });
  }),
];

const routes: readonly Route[] = [
  ...marketRoutes,
  {
    method: "GET",
    path: "/v2/time",
    needs: "nothing",
    answer: ({ nowMs }) => ok({ data: { iso: iso(nowMs), epoch: seconds(nowMs) } }),
  },
  {
    method: "GET",
    path: "/api/v3/brokerage/time",
    needs: "nothing",
    answer: ({ nowMs }) =>
      ok({ iso: iso(nowMs), epochSeconds: String(seconds(nowMs)), epochMillis: String(nowMs) }),
  },
  { method: "GET", path: "/v2/currencies", needs: "nothing", answer: () => ok({ data: [] }) },
  { method: "GET", path: "/v2/currencies/crypto", needs: "nothing", answer: currencies },
  { method: "GET", path: "/v2/exchange-rates", needs: "nothing", answer: () => ok({ data: { rates: {} } }) },
  { method: "GET", path: "/api/v3/brokerage/market/products", needs: "nothing", answer: products },
  { method: "GET", path: "/api/v3/brokerage/key_permissions", needs: "key", answer: keyPermissions },
  {
    method: "GET",
    path: "/api/v3/brokerage/transaction_summary",
    needs: "read",
    answer: () => ok({ fee_tier: { taker_fee_rate: "0", maker_fee_rate: "0" } }),
  },
  { method: "GET", path: "/api/v3/brokerage/accounts", needs: "read", answer: accounts },
  { method: "GET", path: "/v2/accounts", needs: "read", answer: wallets },
  { method: "POST", path: "/api/v3/brokerage/orders", needs: "trade", answer: createOrder },
  { method: "POST", path: "/api/v3/brokerage/orders/batch_cancel", needs: "trade", answer: cancelOrders },
  { method: "GET", path: "/api/v3/brokerage/orders/historical/batch", needs: "read", answer: listOrders },
  { method: "GET", path: "/api/v3/brokerage/orders/historical/fills", needs: "read", answer: listFills },
  {
    method: "GET",
    path: "/api/v3/brokerage/orders/historical/:order_id",
    needs: "read",
    answer: ({ account, text }) => ok({ order: showOrder(findOrder(account, { id: text("order_id") })) }),
  },
];

export const coinbase: SimulatedVenue = {
  id: "coinbase",
  hosts: ["live"],
  startingBalances,
  refusals,
  routes,
  issue,
  verifier,
  claim,
  signatureHolds,
};
