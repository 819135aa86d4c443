import { createHash, createHmac } from "node:crypto";
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
  filledCost,
  findOrder,
  nextNumber,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
  wordFor,
} from "../orders.ts";
import { randomHex } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { decoded, header, jsonBody, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import type { Call, Route, SimulatedVenue } from "../venue.ts";
import { keyRefusals, keyRoutes, refuse, shownWords } from "./gate-keys.ts";

// Sources: gate.com/docs/developers/apiv4 (account, spot, futures, "Error handling").

const markets = usdtMarkets((base, quote) => `${base}_${quote}`);
const windowMs = 60_000;
const contractSize = units("0.001");
const hourMs = 3_600_000;

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse(401, "MISSING_REQUIRED_HEADER", "Missing required header: KEY"),
  unknown_key: refuse(401, "INVALID_KEY", "Invalid key provided"),
  wrong_environment: refuse(401, "INVALID_KEY", "Invalid key provided"),
  bad_signature: refuse(401, "INVALID_SIGNATURE", "Signature mismatch"),
  wrong_passphrase: refuse(401, "INVALID_SIGNATURE", "Signature mismatch"),
  expired_key: refuse(401, "INVALID_KEY", "Invalid key provided"),
  insufficient_permission: refuse(403, "FORBIDDEN", "Key has no permission to access this endpoint"),
  ip_not_allowed: refuse(403, "IP_FORBIDDEN", "Request IP not in whitelist"),
  clock_skew: refuse(403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60"),
  bad_nonce: refuse(403, "REQUEST_EXPIRED", "gap between request Timestamp and server time exceeds 60"),
  account_locked: refuse(403, "ACCOUNT_LOCKED", "Account is locked"),
  rate_limited: refuse(429, "TOO_MANY_REQUESTS", "Request Rate limit Exceeded"),
  unavailable: refuse(503, "SERVER_ERROR", "Internal server error"),
  malformed_request: refuse(400, "INVALID_PARAM_VALUE", "Invalid parameter"),
  unknown_symbol: refuse(400, "INVALID_CURRENCY_PAIR", "Invalid currency pair"),
  insufficient_funds: refuse(400, "BALANCE_NOT_ENOUGH", "Not enough balance"),
  duplicate_order: refuse(400, "REPEATED_CREATION", "Repeated creation"),
  unknown_order: refuse(404, "ORDER_NOT_FOUND", "Order not found"),
  unknown_path: refuse(404, "NOT_FOUND", "Not found"),
};

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** The first four and the last four letters; how the venue masks a key is not documented. */
const masked = (apiKey: string): string => `${apiKey.slice(0, 4)}****${apiKey.slice(-4)}`;

const mainKeys = ({ account, accountKeys }: Call): Answer =>
  ok(
    accountKeys.map((key) => ({
      state: 1,
      mode: 1,
      name: key.label,
      user_id: account.number,
      perms: shownWords(key),
      ip_whitelist: key.boundIps,
      currency_pairs: [],
      key: masked(key.apiKey),
      created_at: String(seconds(key.createdAtMs)),
      updated_at: String(seconds(key.createdAtMs)),
      last_access: String(seconds(key.createdAtMs)),
    })),
  );

const detail = ({ key, account }: Call): Answer =>
  ok({
    user_id: account.number,
    ip_whitelist: key.boundIps,
    currency_pairs: [],
    key: { mode: 1 },
    tier: 1,
    copy_trading_role: 0,
  });

const showMarket = (market: Market) => ({
  id: market.id,
  base: market.base,
  quote: market.quote,
  fee: "0.2",
  min_base_amount: "0.00001",
  min_quote_amount: "1",
  amount_precision: 6,
  precision: 2,
  trade_status: "tradable",
  sell_start: 0,
  buy_start: 0,
});

const showContract = (market: Market) => ({
  name: market.id,
  type: "direct",
  quanto_multiplier: formatUnits(contractSize),
  leverage_min: "1",
  leverage_max: "100",
  mark_price: formatUnits(market.price),
  order_price_deviate: "0.5",
  order_price_round: "0.1",
  order_size_min: 1,
  order_size_max: 1000000,
  create_time: 1546905600,
  status: "trading",
});

const currencies = (): Answer =>
  ok(
    Object.keys(startingBalances).map((currency) => ({
      currency,
      name: currency,
      delisted: false,
      withdraw_disabled: false,
      deposit_disabled: false,
      chains: [],
    })),
  );

const spotAccounts = ({ account }: Call): Answer =>
  ok(
    [...account.balances].map(([currency, { free, locked }]) => ({
      currency,
      available: formatUnits(free),
      locked: formatUnits(locked),
      update_id: 1,
    })),
  );

const orderRules: OrderRules = {
  newId: nextNumber,
  clientOrderId: /^t-[\w.-]{1,28}$/,
  // "If you send two orders with the same client-id, the latter one will override" (gateapi-go, issue 41).
  uniqueAmong: "nothing",
  // "Error handling", labels.
  refused: {
    post_only: refuse(400, "POC_FILL_IMMEDIATELY", "Order would match and take immediately so its cancelled"),
    fok: refuse(400, "FOK_NOT_FILL", "Order cannot be filled completely"),
  },
};

const statuses = { open: "open", filled: "closed", cancelled: "cancelled", expired: "cancelled" } as const;
// `poc` is "pending or cancelled", which others call post-only ("Create an order", `time_in_force`).
const timesInForce = { gtc: "gtc", ioc: "ioc", fok: "fok", poc: "post_only" } as const;

const showOrder = (order: Order) => ({
  id: order.id,
  text: order.clientOrderId,
  create_time: String(seconds(order.createdAtMs)),
  update_time: String(seconds(order.updatedAtMs)),
  create_time_ms: order.createdAtMs,
  update_time_ms: order.updatedAtMs,
  status: statuses[order.status],
  currency_pair: order.market.id,
  type: order.type,
  account: "spot",
  side: order.side,
  amount: formatUnits(order.quantity),
  price: formatUnits(order.price ?? 0n),
  time_in_force: wordFor(timesInForce, order.timeInForce),
  left: formatUnits(order.quantity - order.filled),
  filled_amount: formatUnits(order.filled),
  filled_total: formatUnits(filledCost(order)),
  avg_deal_price: order.filled > 0n ? formatUnits(order.market.price) : "",
  fee: "0",
  fee_currency: order.market.base,
  finish_as: order.status === "expired" ? order.timeInForce : order.status,
});

const unsimulated = ["iceberg", "auto_borrow", "auto_repay"];

function createOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(jsonBody(request), unsimulated);
  if ((text("account") ?? "spot") !== "spot") throw new Refused("malformed_request");
  const amount = parseUnits(text("amount"));
  // The amount of a market order to buy is in the quote currency.
  const byCost = text("type") === "market" && text("side") === "buy";
  const order = placeOrder(
    account,
    {
      clientOrderId: text("text"),
      market: marketNamed(markets, text("currency_pair")),
      side: text("side"),
      type: text("type"),
      ...(byCost ? { cost: amount } : { quantity: amount }),
      price: parseUnits(text("price")),
      timeInForce: timeInForceOf(
        timesInForce,
        text("time_in_force") || (text("type") === "market" ? "ioc" : "gtc"),
      ),
    },
    nowMs,
    orderRules,
  );
  return { status: 201, body: showOrder(order) };
}

/**
 * By id, or by the client's text while the order is open and for an hour after; in the pair that is required
 * with it.
 */
function orderNamed({ account, text, nowMs }: Call): Order {
  const name = text("order_id") ?? "";
  const market = marketNamed(markets, text("currency_pair"));
  if (!name.startsWith("t-")) return findOrder(account, { id: name, market });
  const found = account.orders.findLast((order) => order.clientOrderId === name && order.market === market);
  if (found !== undefined && (found.status === "open" || nowMs - found.updatedAtMs <= hourMs)) return found;
  throw new Refused(
    "unknown_order",
    refuse(404, "CLIENT_ID_NOT_FOUND", `Order with client ID ${name} not found`),
  );
}

function listOpenOrders({ account }: Call): Answer {
  const byMarket = markets
    .map((market) => ({ market, orders: openOrders(account, market) }))
    .filter(({ orders }) => orders.length > 0);
  return ok(
    byMarket.map(({ market, orders }) => ({
      currency_pair: market.id,
      total: orders.length,
      orders: orders.map(showOrder),
    })),
  );
}

const positions = ({ account, nowMs }: Call): Answer =>
  ok(
    account.positions.map(({ base, side, quantity, entryPrice }) => {
      const market = marketOf(markets, base);
      const size = side === "long" ? quantity : -quantity;
      return {
        contract: market.id,
        size: Number(formatUnits(divide(size, contractSize))),
        leverage: "0",
        value: formatUnits(multiply(quantity, market.price)),
        entry_price: formatUnits(entryPrice),
        mark_price: formatUnits(market.price),
        unrealised_pnl: formatUnits(multiply(size, market.price - entryPrice)),
        realised_pnl: "0",
        margin: "0",
        liq_price: "0",
        mode: "single",
        update_time: seconds(nowMs),
      };
    }),
  );

const nothing = (): Answer => ok([]);

const marketRoutes: readonly Route[] = [
  open("/api/v4/spot/tickers", ({ text }) => {
    const market = marketNamed(markets, text("currency_pair"));
    const { last, bid, ask, size, volume } = quoteOf(market);
    const day = { change_percentage: "0", base_volume: volume, high_24h: last, low_24h: last };
    const best = { highest_bid: bid, highest_size: size, lowest_ask: ask, lowest_size: size };
    return ok([{ currency_pair: market.id, last, ...day, ...best }]);
  }),
  open("/api/v4/spot/candlesticks", ({ text, nowMs }) => {
    const { last } = quoteOf(marketNamed(markets, text("currency_pair")));
    const starts = candleStarts({ nowMs, stepMs: stepOf(text("interval")), limit: text("limit") });
    return ok(starts.map((start) => [String(start / 1000), last, last, last, last, last, "1", "true"]));
  }),
  open("/api/v4/spot/order_book", ({ text, nowMs }) =>
    ok({
      current: nowMs,
      update: nowMs,
      ...bookOf(marketNamed(markets, text("currency_pair")), text("limit")),
    }),
  ),
];

const routes: readonly Route[] = [
  ...marketRoutes,
  ...keyRoutes,
  {
    method: "GET",
    path: "/api/v4/spot/time",
    needs: "nothing",
    answer: ({ nowMs }) => ok({ server_time: nowMs }),
  },
  {
    method: "GET",
    path: "/api/v4/spot/currency_pairs",
    needs: "nothing",
    answer: () => ok(markets.map(showMarket)),
  },
  { method: "GET", path: "/api/v4/spot/currencies", needs: "nothing", answer: currencies },
  { method: "GET", path: "/api/v4/margin/currency_pairs", needs: "nothing", answer: nothing },
  {
    method: "GET",
    path: "/api/v4/futures/usdt/contracts",
    needs: "nothing",
    answer: () => ok(markets.map(showContract)),
  },
  { method: "GET", path: "/api/v4/futures/btc/contracts", needs: "nothing", answer: nothing },
  { method: "GET", path: "/api/v4/delivery/:settle/contracts", needs: "nothing", answer: nothing },
  { method: "GET", path: "/api/v4/options/underlyings", needs: "nothing", answer: nothing },
  { method: "GET", path: "/api/v4/account/main_keys", needs: "read", answer: mainKeys },
  { method: "GET", path: "/api/v4/account/detail", needs: "read", answer: detail },
  { method: "GET", path: "/api/v4/spot/accounts", needs: "read", answer: spotAccounts },
  { method: "POST", path: "/api/v4/spot/orders", needs: "trade", answer: createOrder },
  {
    method: "GET",
    path: "/api/v4/spot/orders/:order_id",
    needs: "read",
    answer: (call) => ok(showOrder(orderNamed(call))),
  },
  {
    method: "DELETE",
    path: "/api/v4/spot/orders/:order_id",
    needs: "trade",
    answer: (call) => ok(showOrder(cancelOrder(call.account, orderNamed(call), call.nowMs))),
  },
  { method: "GET", path: "/api/v4/spot/open_orders", needs: "read", answer: listOpenOrders },
  { method: "GET", path: "/api/v4/futures/usdt/positions", needs: "read", answer: positions },
];

/**
 * Gate signs method, path, query (decoded), SHA-512 of the body, and time in seconds, a line each:
 * HMAC-SHA512 in hex. Source: gate.com/docs/developers/apiv4, "APIv4 signed request requirements".
 */
export function verifyGate(
  signed: Readonly<{ method: string; path: string; query: string; body: string; timestamp: string }>,
  signature: string,
  secret: string,
): boolean {
  const bodyHash = createHash("sha512").update(signed.body).digest("hex");
  const text = [signed.method, signed.path, signed.query, bodyHash, signed.timestamp].join("\n");
  return equal(signature, createHmac("sha512", secret).update(text).digest("hex"));
}

export const gate: SimulatedVenue = {
  id: "gate",
  hosts: ["live", "testnet"],
  startingBalances,
  refusals,
  keyRefusals,
  routes,
  issue: () => ({ apiKey: randomHex(16), apiSecret: randomHex(32) }),
  claim(request) {
    const apiKey = header(request, "key");
    if (apiKey === "") throw new Refused("missing_credentials");
    return { apiKey, signedAtMs: Number(header(request, "timestamp") || Number.NaN) * 1000, windowMs };
  },
  signatureHolds(request, { verifier }) {
    const signed = {
      method: request.method,
      path: request.path,
      query: decoded(request.query),
      body: request.body,
      timestamp: header(request, "timestamp"),
    };
    return typeof verifier === "string" && verifyGate(signed, header(request, "sign"), verifier);
  },
};
