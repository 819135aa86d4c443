import { randomUUID } from "node:crypto";
import type { Account } from "../accounts.ts";
import { formatUnits, multiply, parseUnits, units } from "../decimal.ts";
import { marketNamed } from "../markets.ts";
import { balanceOf, cancelOrder, findOrder, placeOrder } from "../orders.ts";
import type { Market, Order } from "../orders.ts";
import { randomAlphanumeric, randomCapitals } from "../random-text.ts";
import { Refused, ok } from "../refusal.ts";
import type { Answer, Reason } from "../refusal.ts";
import { header } from "../request.ts";
import { verifyAlpaca } from "../signatures/alpaca.ts";
import type { Call, Route, SimulatedVenue } from "../venue.ts";

// Sources: docs.alpaca.markets (account, orders, positions, assets, authentication).

const markets: readonly Market[] = [
  { id: "AAPL", base: "AAPL", quote: "USD", price: units("200") },
  { id: "BTC/USD", base: "BTC", quote: "USD", price: units("50000") },
  { id: "ETH/USD", base: "ETH", quote: "USD", price: units("2500") },
];
const isCrypto = (market: Market): boolean => market.id.includes("/");
const assetIds = new Map(
  markets.map(({ id }, index) => [id, `00000000-0000-4000-8000-00000000000${index + 1}`]),
);

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

const positions = ({ account }: Call): Answer =>
  ok(
    markets
      .filter((market) => held(account, market) > 0n)
      .map((market) => ({
        asset_id: assetIds.get(market.id),
        symbol: market.id.replace("/", ""),
        exchange: isCrypto(market) ? "CRYPTO" : "NASDAQ",
        asset_class: isCrypto(market) ? "crypto" : "us_equity",
        qty: formatUnits(held(account, market)),
        qty_available: formatUnits(balanceOf(account, market.base).free),
        avg_entry_price: formatUnits(market.price),
        side: "long",
        market_value: formatUnits(multiply(held(account, market), market.price)),
        cost_basis: formatUnits(multiply(held(account, market), market.price)),
        unrealized_pl: "0",
        current_price: formatUnits(market.price),
      })),
  );

const statuses = { open: "new", filled: "filled", cancelled: "canceled" } as const;
const at = (ms: number): string => new Date(ms).toISOString();

const showOrder = (order: Order) => ({
  id: order.id,
  client_order_id: order.clientOrderId,
  created_at: at(order.createdAtMs),
  updated_at: at(order.updatedAtMs),
  submitted_at: at(order.createdAtMs),
  filled_at: order.status === "filled" ? at(order.createdAtMs) : null,
  expired_at: null,
  canceled_at: order.status === "cancelled" ? at(order.updatedAtMs) : null,
  failed_at: null,
  asset_id: assetIds.get(order.market.id),
  symbol: order.market.id,
  asset_class: isCrypto(order.market) ? "crypto" : "us_equity",
  notional: null,
  qty: formatUnits(order.quantity),
  filled_qty: formatUnits(order.filled),
  filled_avg_price: order.status === "filled" ? formatUnits(order.market.price) : null,
  order_class: "",
  order_type: order.type,
  type: order.type,
  side: order.side,
  time_in_force: isCrypto(order.market) ? "gtc" : "day",
  limit_price: order.price === undefined ? null : formatUnits(order.price),
  stop_price: null,
  status: statuses[order.status],
  extended_hours: false,
  legs: null,
});

function createOrder({ account, text, nowMs }: Call): Answer {
  if (account.blocked.size > 0 || account.status !== "ACTIVE") throw new Refused("insufficient_permission");
  if (text("time_in_force") === undefined) throw new Refused("malformed_request");
  const order = placeOrder(
    account,
    {
      clientOrderId: text("client_order_id"),
      market: marketNamed(markets, text("symbol")),
      side: text("side"),
      type: text("type"),
      quantity: parseUnits(text("qty")),
      cost: parseUnits(text("notional")),
      price: parseUnits(text("limit_price")),
    },
    nowMs,
    { newId: randomUUID, clientOrderId: /^.{1,128}$/, uniqueAmong: "ever" },
  );
  return ok(showOrder(order));
}

function listOrders({ account, text }: Call): Answer {
  const status = text("status") ?? "open";
  const symbols = text("symbols")?.split(",");
  return ok(
    account.orders
      .filter((order) => status === "all" || (order.status === "open") === (status === "open"))
      .filter((order) => symbols === undefined || symbols.includes(order.market.id))
      .map(showOrder),
  );
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

const showAsset = (market: Market) => ({
  id: assetIds.get(market.id),
  class: isCrypto(market) ? "crypto" : "us_equity",
  exchange: isCrypto(market) ? "CRYPTO" : "NASDAQ",
  symbol: market.id,
  name: market.base,
  status: "active",
  tradable: true,
  marginable: false,
  shortable: false,
  fractionable: true,
  min_order_size: "0.0001",
  min_trade_increment: "0.0001",
  price_increment: "0.01",
});

function listAssets({ text }: Call): Answer {
  const wanted = text("asset_class");
  return ok(markets.map(showAsset).filter((asset) => wanted === undefined || asset.class === wanted));
}

const clock = ({ nowMs }: Call): Answer => ok({ timestamp: at(nowMs), is_open: true });

const routes: readonly Route[] = [
  { method: "GET", path: "/v2/account", needs: "read", answer: showAccount },
  { method: "GET", path: "/v2/positions", needs: "read", answer: positions },
  { method: "GET", path: "/v2/clock", needs: "read", answer: clock },
  { method: "GET", path: "/v2/assets", needs: "read", answer: listAssets },
  { method: "GET", path: "/v2/orders", needs: "read", answer: listOrders },
  { method: "POST", path: "/v2/orders", needs: "trade", answer: createOrder },
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
