import { randomUUID } from "node:crypto";
import type { Account, Market, Order, TimeInForce } from "../accounts.ts";
import { formatUnits, multiply, parseUnits, units } from "../decimal.ts";
import { marketNamed } from "../market-data.ts";
import {
  balanceOf,
  cancelOrder,
  findOrder,
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
  wordFor,
} from "../orders.ts";
import { randomAlphanumeric, randomCapitals } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { header, jsonBody, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import type { Call, Route, SimulatedVenue } from "../venue.ts";
import {
  assetClass,
  assetId,
  calendar,
  clock,
  configuration,
  exchangeOf,
  isCrypto,
  listAssets,
  marketCalled,
  markets,
  oneAsset,
  priceRoutes,
} from "./alpaca-market.ts";

// Sources: docs.alpaca.markets (account, orders, positions, authentication).

const refuse = (status: number, code: number, message: string): Answer => ({
  status,
  body: { code, message },
});
const unauthorized: Answer = { status: 401, body: { message: "unauthorized." } };
const forbidden: Answer = { status: 403, body: { message: "forbidden." } };
const notPermitted = refuse(403, 40310000, "account is not allowed to trade");

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: unauthorized,
  unknown_key: unauthorized,
  wrong_environment: unauthorized,
  bad_signature: unauthorized,
  wrong_passphrase: unauthorized,
  expired_key: unauthorized,
  insufficient_permission: notPermitted,
  ip_not_allowed: forbidden,
  clock_skew: unauthorized,
  bad_nonce: unauthorized,
  account_locked: forbidden,
  rate_limited: refuse(429, 42910000, "rate limit exceeded"),
  unavailable: refuse(503, 50310000, "service unavailable"),
  malformed_request: refuse(422, 40010001, "request body format is invalid"),
  unknown_symbol: refuse(422, 42210000, "asset not found"),
  insufficient_funds: refuse(403, 40310000, "insufficient buying power"),
  duplicate_order: refuse(422, 40010001, "client_order_id must be unique"),
  unknown_order: refuse(404, 40410000, "order not found"),
  unknown_path: { status: 404, body: { message: "endpoint not found." } },
};

/** What the account's assets are worth, beside its cash. */
const marketValue = (account: Account): bigint =>
  markets.reduce((sum, market) => sum + multiply(held(account, market), market.price), 0n);

function held(account: Account, market: Market): bigint {
  const { free, locked } = balanceOf(account, market.base);
  return free + locked;
}

function showAccount({ account }: Call): Answer {
  const usd = balanceOf(account, "USD");
  const value = marketValue(account);
  const cash = formatUnits(usd.free);
  const equity = formatUnits(usd.free + usd.locked + value);
  return ok({
    id: account.uuid,
    account_number: `PA${account.number}`,
    status: account.status,
    crypto_status: account.status,
    currency: "USD",
    cash,
    buying_power: cash,
    regt_buying_power: cash,
    non_marginable_buying_power: cash,
    options_buying_power: cash,
    equity,
    last_equity: equity,
    portfolio_value: equity,
    position_market_value: formatUnits(value),
    long_market_value: formatUnits(value),
    short_market_value: "0",
    initial_margin: "0",
    maintenance_margin: "0",
    multiplier: "1",
    accrued_fees: "0",
    trading_blocked: account.blocked.has("trading_blocked"),
    transfers_blocked: account.blocked.has("transfers_blocked"),
    account_blocked: account.blocked.has("account_blocked"),
    trade_suspended_by_user: account.blocked.has("trade_suspended_by_user"),
    shorting_enabled: false,
    created_at: new Date(account.createdAtMs).toISOString(),
  });
}

const showPosition = (account: Account, market: Market) => ({
  asset_id: assetId(market),
  symbol: market.id.replace("/", ""),
  exchange: exchangeOf(market),
  asset_class: assetClass(market),
  qty: formatUnits(held(account, market)),
  qty_available: formatUnits(balanceOf(account, market.base).free),
  avg_entry_price: formatUnits(market.price),
  side: "long",
  market_value: formatUnits(multiply(held(account, market), market.price)),
  cost_basis: formatUnits(multiply(held(account, market), market.price)),
  unrealized_pl: "0",
  current_price: formatUnits(market.price),
});

const positions = ({ account }: Call): Answer =>
  ok(markets.filter((market) => held(account, market) > 0n).map((market) => showPosition(account, market)));

function onePosition({ account, text }: Call): Answer {
  const market = marketCalled(text("name"));
  if (market !== undefined && held(account, market) > 0n) return ok(showPosition(account, market));
  throw new Refused("unknown_symbol", refuse(404, 40410000, "position does not exist"));
}

// An order that may not rest and does not cross is cancelled ("Orders at Alpaca", time in force).
const statuses = { open: "new", filled: "filled", cancelled: "canceled", expired: "canceled" } as const;
const timesInForce = { day: "day", gtc: "gtc", ioc: "ioc", fok: "fok" } as const;
const at = (ms: number): string => new Date(ms).toISOString();

const showOrder = (order: Order) => ({
  id: order.id,
  client_order_id: order.clientOrderId,
  created_at: at(order.createdAtMs),
  updated_at: at(order.updatedAtMs),
  submitted_at: at(order.createdAtMs),
  filled_at: order.status === "filled" ? at(order.createdAtMs) : null,
  expired_at: null,
  canceled_at: ["cancelled", "expired"].includes(order.status) ? at(order.updatedAtMs) : null,
  failed_at: null,
  asset_id: assetId(order.market),
  symbol: order.market.id,
  asset_class: assetClass(order.market),
  notional: null,
  qty: formatUnits(order.quantity),
  filled_qty: formatUnits(order.filled),
  filled_avg_price: order.status === "filled" ? formatUnits(order.market.price) : null,
  order_class: "",
  order_type: order.type,
  type: order.type,
  side: order.side,
  time_in_force: wordFor(timesInForce, order.timeInForce),
  limit_price: order.price === undefined ? null : formatUnits(order.price),
  stop_price: null,
  status: statuses[order.status],
  extended_hours: false,
  legs: null,
});

/**
 * Auctions (`opg`, `cls`) are not simulated. Pairs know `gtc` and `ioc` alone, parts of a share `day` alone.
 */
function timeInForce(text: Call["text"], market: Market): TimeInForce {
  const given = timeInForceOf(timesInForce, text("time_in_force") ?? "");
  const isPart = text("notional") !== undefined || (parseUnits(text("qty")) ?? 0n) % units("1") > 0n;
  if (isCrypto(market) ? !["gtc", "ioc"].includes(given) : isPart && given !== "day") {
    throw new Refused("malformed_request", refuse(422, 42210000, "invalid time_in_force for this order"));
  }
  return given;
}

/** What adds orders to this one or lets it wait for a price. */
const unsimulated = [
  "take_profit",
  "stop_loss",
  "stop_price",
  "trail_price",
  "trail_percent",
  "legs",
  "advanced_instructions",
];

/** Without a word, or `simple`, an order is one order. */
function refuseOtherClasses(text: Call["text"]): void {
  if (["", "simple"].includes(text("order_class") ?? "")) return;
  throw new Refused("malformed_request", refuse(422, 42210000, "invalid order_class"));
}

const orderRules: OrderRules = {
  newId: randomUUID,
  clientOrderId: /^.{1,128}$/,
  uniqueAmong: "ever",
};

function createOrder({ account, request, text, nowMs }: Call): Answer {
  if (account.blocked.size > 0 || account.status !== "ACTIVE") throw new Refused("insufficient_permission");
  refuseParameters(jsonBody(request), unsimulated);
  refuseOtherClasses(text);
  const market = marketNamed(markets, text("symbol"));
  const order = placeOrder(
    account,
    {
      clientOrderId: text("client_order_id"),
      market,
      side: text("side"),
      type: text("type"),
      quantity: parseUnits(text("qty")),
      cost: parseUnits(text("notional")),
      price: parseUnits(text("limit_price")),
      timeInForce: timeInForce(text, market),
    },
    nowMs,
    orderRules,
  );
  return ok(showOrder(order));
}

const usualLimit = 50;
const highestLimit = 500;

/**
 * A number of orders; throws `Refused("malformed_request")` for what is none or more than the venue gives.
 */
function readLimit(text: string | undefined): number {
  const limit = Number(text ?? usualLimit);
  if (!Number.isInteger(limit) || limit < 1 || limit > highestLimit) throw new Refused("malformed_request");
  return limit;
}

function readTime(text: string | undefined, otherwise: number): number {
  const ms = text === undefined ? otherwise : Date.parse(text);
  if (Number.isNaN(ms)) throw new Refused("malformed_request");
  return ms;
}

/** The newest first unless `direction` says otherwise, fifty unless `limit` does ("All Orders"). */
function listOrders({ account, text }: Call): Answer {
  const status = text("status") ?? "open";
  const [symbols, side] = [text("symbols")?.split(","), text("side")];
  const [after, until] = [readTime(text("after"), -Infinity), readTime(text("until"), Infinity)];
  const found = account.orders
    .filter((order) => status === "all" || (order.status === "open") === (status === "open"))
    .filter((order) => symbols === undefined || symbols.includes(order.market.id))
    .filter((order) => (side ?? order.side) === order.side)
    .filter(({ createdAtMs }) => createdAtMs > after && createdAtMs <= until);
  const sorted = text("direction") === "asc" ? found : found.toReversed();
  return ok(sorted.slice(0, readLimit(text("limit"))).map(showOrder));
}

function deleteOrder({ account, text, nowMs }: Call): Answer {
  const order = findOrder(account, { id: text("id") });
  if (order.status !== "open") {
    throw new Refused(
      "unknown_order",
      refuse(422, 42210000, `order is already in "${statuses[order.status]}" state`),
    );
  }
  cancelOrder(account, order, nowMs);
  return { status: 204, body: undefined };
}

/** An answer for each order that was open ("All Orders", DELETE). */
function deleteOrders({ account, nowMs }: Call): Answer {
  const cancelled = openOrders(account).map((order) => cancelOrder(account, order, nowMs));
  return { status: 207, body: cancelled.map(({ id }) => ({ id, status: 200 })) };
}

const routes: readonly Route[] = [
  ...priceRoutes,
  { method: "GET", path: "/v2/account", needs: "read", answer: showAccount },
  { method: "GET", path: "/v2/account/configurations", needs: "read", answer: configuration },
  { method: "GET", path: "/v2/positions", needs: "read", answer: positions },
  { method: "GET", path: "/v2/positions/:name", needs: "read", answer: onePosition },
  { method: "GET", path: "/v2/calendar", needs: "read", answer: calendar },
  { method: "GET", path: "/v2/clock", needs: "read", answer: clock },
  { method: "GET", path: "/v2/assets", needs: "read", answer: listAssets },
  { method: "GET", path: "/v2/assets/:name", needs: "read", answer: oneAsset },
  { method: "GET", path: "/v2/assets/:name/:quote", needs: "read", answer: oneAsset },
  { method: "GET", path: "/v2/orders", needs: "read", answer: listOrders },
  { method: "POST", path: "/v2/orders", needs: "trade", answer: createOrder },
  { method: "DELETE", path: "/v2/orders", needs: "trade", answer: deleteOrders },
  {
    method: "GET",
    path: "/v2/orders::by_client_order_id",
    needs: "read",
    answer: ({ account, text }) =>
      ok(showOrder(findOrder(account, { clientOrderId: text("client_order_id") }))),
  },
  {
    method: "GET",
    path: "/v2/orders/:id",
    needs: "read",
    answer: ({ account, text }) => ok(showOrder(findOrder(account, { id: text("id") }))),
  },
  { method: "DELETE", path: "/v2/orders/:id", needs: "trade", answer: deleteOrder },
];

/**
 * Alpaca signs nothing: the secret itself travels in a header. Source: docs.alpaca.markets, "Authentication".
 */
export const verifyAlpaca = (secretHeader: string, secret: string): boolean => equal(secretHeader, secret);

export const alpaca: SimulatedVenue = {
  id: "alpaca",
  hosts: ["paper", "live"],
  startingBalances: { USD: units("100000") },
  refusals,
  routes,
  // PK for paper and AK for live: a widespread convention, and a hint only. The host decides.
  issue: ({ environment }) => ({
    apiKey: (environment === "live" ? "AK" : "PK") + randomCapitals(24),
    apiSecret: randomAlphanumeric(44),
  }),
  claim(request) {
    const apiKey = header(request, "apca-api-key-id");
    if (apiKey === "") throw new Refused("missing_credentials");
    return { apiKey };
  },
  signatureHolds: (request, key) =>
    typeof key.verifier === "string" && verifyAlpaca(header(request, "apca-api-secret-key"), key.verifier),
};
