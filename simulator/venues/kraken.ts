import { createHash, createHmac } from "node:crypto";
import type { Key, Order, TimeInForce } from "../accounts.ts";
import { formatUnits, multiply, parseUnits } from "../decimal.ts";
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
  openOrders,
  type OrderRules,
  placeOrder,
  timeInForceOf,
} from "../orders.ts";
import { randomBase64, randomCapitals } from "../random-text.ts";
import { type Answer, ok, type Reason, Refused } from "../refusal.ts";
import { header, parameters, refuseParameters } from "../request.ts";
import { equal } from "../signing.ts";
import type { Call, Route, SimulatedVenue } from "../venue.ts";

// Sources: docs.kraken.com (get API key info, add order, open and closed orders, extended balance, error
// messages).

/** Kraken's own names of assets; USDT has none but its own. */
const assets = new Map([
  ["BTC", { id: "XXBT", altname: "XBT" }],
  ["ETH", { id: "XETH", altname: "ETH" }],
]);
const assetOf = (asset: string) => assets.get(asset) ?? { id: asset, altname: asset };
const markets = usdtMarkets((base, quote) => assetOf(base).altname + quote);

/** Errors come with status 200. */
const refuse = (...error: readonly string[]): Answer => ok({ error });

const refusals: Readonly<Record<Reason, Answer>> = {
  missing_credentials: refuse("EAPI:Invalid key"),
  unknown_key: refuse("EAPI:Invalid key"),
  wrong_environment: refuse("EAPI:Invalid key"),
  bad_signature: refuse("EAPI:Invalid signature"),
  wrong_passphrase: refuse("EAPI:Invalid signature"),
  expired_key: refuse("EAPI:Invalid key"),
  insufficient_permission: refuse("EGeneral:Permission denied"),
  // No code of its own is documented for an address that is not on the key's list; this is an assumption.
  ip_not_allowed: refuse("EGeneral:Permission denied"),
  clock_skew: refuse("EAPI:Invalid nonce"),
  bad_nonce: refuse("EAPI:Invalid nonce"),
  account_locked: refuse("EAuth:Account temporary disabled"),
  rate_limited: refuse("EAPI:Rate limit exceeded"),
  unavailable: refuse("EService:Unavailable"),
  malformed_request: refuse("EGeneral:Invalid arguments"),
  unknown_symbol: refuse("EQuery:Unknown asset pair"),
  insufficient_funds: refuse("EOrder:Insufficient funds"),
  duplicate_order: refuse("EGeneral:Invalid arguments:cl_ord_id not unique"),
  unknown_order: refuse("EOrder:Unknown order"),
  unknown_path: refuse("EGeneral:Unknown method"),
};

const result = (result: unknown): Answer => ok({ error: [], result });
const seconds = (ms: number): number => Math.floor(ms / 1000);

const permissionWords = ({ permissions, extraWords }: Key): string[] => [
  ...(permissions.read ? ["query-funds", "query-open-trades", "query-closed-trades"] : []),
  ...(permissions.trade ? ["modify-trades", "close-trades"] : []),
  ...(permissions.withdraw ? ["withdraw-funds"] : []),
  ...extraWords,
];

const apiKeyInfo = ({ key }: Call): Answer =>
  result({
    apiKeyName: key.label,
    apiKey: key.apiKey,
    nonce: String(key.lastNonce),
    nonceWindow: 0,
    permissions: permissionWords(key),
    iban: key.account.uuid,
    validUntil: key.expiresAtMs === null ? "0" : String(seconds(key.expiresAtMs)),
    queryFrom: "0",
    queryTo: "0",
    createdTime: String(seconds(key.createdAtMs)),
    modifiedTime: String(seconds(key.createdAtMs)),
    ipAllowlist: key.boundIps,
    lastUsed: String(seconds(key.createdAtMs)),
  });

const assetPairs = (): Answer =>
  result(
    Object.fromEntries(
      markets.map((market) => [
        market.id,
        {
          altname: market.id,
          wsname: `${assetOf(market.base).altname}/${market.quote}`,
          base: assetOf(market.base).id,
          quote: market.quote,
          pair_decimals: 2,
          lot_decimals: 8,
          fees: [[0, 0]],
          fees_maker: [[0, 0]],
          leverage_buy: [],
          ordermin: "0.0001",
          costmin: "0.5",
          status: "online",
        },
      ]),
    ),
  );

const listAssets = (): Answer =>
  result(
    Object.fromEntries(
      Object.keys(startingBalances).map((asset) => [
        assetOf(asset).id,
        { aclass: "currency", altname: assetOf(asset).altname, decimals: 10, status: "enabled" },
      ]),
    ),
  );

const balances = ({ account }: Call): Answer =>
  result(
    Object.fromEntries(
      [...account.balances].map(([asset, { free, locked }]) => [
        assetOf(asset).id,
        { balance: formatUnits(free + locked), hold_trade: formatUnits(locked) },
      ]),
    ),
  );

/**
 * "Kraken verifies cl_ord_id uniqueness across open orders for each client" (guide "Client order
 * identifiers").
 */
const orderRules: OrderRules = {
  newId: () => `O${randomCapitals(5)}-${randomCapitals(5)}-${randomCapitals(6)}`,
  // A UUID with or without its dashes, or free text of at most eighteen characters.
  clientOrderId: /^(?:[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}|[\da-f]{32}|[\x20-\x7e]{1,18})$/i,
  uniqueAmong: "open",
  refused: { post_only: refuse("EOrder:Post only order") },
};

const describe = ({ side, quantity, market, type, price }: Order): string =>
  `${side} ${formatUnits(quantity)} ${market.id} @ ${type}${price === undefined ? "" : ` ${formatUnits(price)}`}`;

const timesInForce = { GTC: "gtc", IOC: "ioc" } as const;

function timeInForce(text: Call["text"], flags: readonly string[]): TimeInForce {
  const given = timeInForceOf(timesInForce, text("timeinforce")?.toUpperCase() || "GTC");
  if (!flags.includes("post")) return given;
  // Post-only goes with limit orders alone ("Add order", `oflags`).
  if (given !== "gtc" || text("ordertype") !== "limit") throw new Refused("malformed_request");
  return "post_only";
}

/** What ends or starts an order later, only checks it, adds another to it or borrows for it ("Add order"). */
const unsimulated = [
  "validate",
  "starttm",
  "expiretm",
  "leverage",
  "price2",
  "displayvol",
  "close[ordertype]",
];

function addOrder({ account, request, text, nowMs }: Call): Answer {
  refuseParameters(Object.fromEntries(parameters(request)), unsimulated);
  const volume = parseUnits(text("volume"));
  const flags = text("oflags")?.split(",") ?? [];
  const inQuote = flags.includes("viqc");
  const order = placeOrder(
    account,
    {
      clientOrderId: text("cl_ord_id"),
      market: marketNamed(markets, text("pair")),
      side: text("type"),
      type: text("ordertype"),
      ...(inQuote ? { cost: volume } : { quantity: volume }),
      price: parseUnits(text("price")),
      timeInForce: timeInForce(text, flags),
    },
    nowMs,
    orderRules,
  );
  return result({ txid: [order.id], descr: { order: describe(order) } });
}

const statuses = { open: "open", filled: "closed", cancelled: "canceled", expired: "canceled" } as const;

const showOrder = (order: Order) => ({
  refid: null,
  userref: null,
  cl_ord_id: order.clientOrderId,
  status: statuses[order.status],
  opentm: order.createdAtMs / 1000,
  descr: {
    pair: order.market.id,
    type: order.side,
    ordertype: order.type,
    price: formatUnits(order.price ?? 0n),
    price2: "0",
    leverage: "none",
    order: describe(order),
  },
  vol: formatUnits(order.quantity),
  vol_exec: formatUnits(order.filled),
  cost: formatUnits(filledCost(order)),
  fee: "0",
  price: formatUnits(order.filled > 0n ? order.market.price : 0n),
  oflags: order.timeInForce === "post_only" ? "fciq,post" : "fciq",
});

const byId = (orders: readonly Order[]) =>
  Object.fromEntries(orders.map((order) => [order.id, showOrder(order)]));

function chosen(orders: readonly Order[], { text }: Call): readonly Order[] {
  const clientOrderId = text("cl_ord_id");
  return clientOrderId === undefined
    ? orders
    : orders.filter((order) => order.clientOrderId === clientOrderId);
}

const listOpen = (call: Call): Answer => result({ open: byId(chosen(openOrders(call.account), call)) });

function listClosed(call: Call): Answer {
  const closed = chosen(
    call.account.orders.filter((order) => order.status !== "open"),
    call,
  );
  return result({ closed: byId(closed), count: closed.length });
}

/** By Kraken's ids only: a client's is part of the answer here, not of the question. */
function queryOrders({ account, text }: Call): Answer {
  const wanted = text("txid")?.split(",") ?? [];
  return result(byId(wanted.map((id) => findOrder(account, { id }))));
}

function cancel({ account, text, nowMs }: Call): Answer {
  const order = findOrder(account, { id: text("txid"), clientOrderId: text("cl_ord_id") });
  cancelOrder(account, order, nowMs);
  return result({ count: 1 });
}

const openPositions = ({ account }: Call): Answer =>
  result(
    account.positions.map(({ base, side, quantity, entryPrice }) => ({
      pair: assetOf(base).altname + "USDT",
      positions: "1",
      type: side === "long" ? "buy" : "sell",
      leverage: "1",
      cost: formatUnits(multiply(quantity, entryPrice)),
      fee: "0",
      vol: formatUnits(quantity),
      vol_closed: "0",
      margin: formatUnits(multiply(quantity, entryPrice)),
    })),
  );

const marketRoutes: readonly Route[] = [
  open("/0/public/Ticker", ({ text }) => {
    const market = marketNamed(markets, text("pair"));
    const { last, bid, ask, size, volume } = quoteOf(market);
    const twice = (value: string) => [value, value];
    const best = { a: [ask, size, size], b: [bid, size, size], c: [last, "1"] };
    const day = { v: twice(volume), p: twice(last), t: [1, 1], l: twice(last), h: twice(last), o: last };
    return result({ [market.id]: { ...best, ...day } });
  }),
  open("/0/public/OHLC", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("pair"));
    const { last } = quoteOf(market);
    const starts = candleStarts({ nowMs, stepMs: stepOf(text("interval")), limit: undefined });
    const rows = starts.map((start) => [seconds(start), last, last, last, last, last, "1", 1]);
    return result({ [market.id]: rows, last: seconds(nowMs) });
  }),
  open("/0/public/Depth", ({ text, nowMs }) => {
    const market = marketNamed(markets, text("pair"));
    const { bids, asks } = bookOf(market, text("count"));
    const levels = (side: typeof bids) => side.map(([price, size]) => [price, size, seconds(nowMs)]);
    return result({ [market.id]: { bids: levels(bids), asks: levels(asks) } });
  }),
];

const routes: readonly Route[] = [
  ...marketRoutes,
  {
    method: "GET",
    path: "/0/public/Time",
    needs: "nothing",
    answer: ({ nowMs }) => result({ unixtime: seconds(nowMs), rfc1123: new Date(nowMs).toUTCString() }),
  },
  { method: "GET", path: "/0/public/AssetPairs", needs: "nothing", answer: assetPairs },
  { method: "GET", path: "/0/public/Assets", needs: "nothing", answer: listAssets },
  // "API Key Permissions Required: None."
  { method: "POST", path: "/0/private/GetApiKeyInfo", needs: "key", answer: apiKeyInfo },
  { method: "POST", path: "/0/private/BalanceEx", needs: "read", answer: balances },
  { method: "POST", path: "/0/private/AddOrder", needs: "trade", answer: addOrder },
  { method: "POST", path: "/0/private/CancelOrder", needs: "trade", answer: cancel },
  { method: "POST", path: "/0/private/QueryOrders", needs: "read", answer: queryOrders },
  { method: "POST", path: "/0/private/OpenOrders", needs: "read", answer: listOpen },
  { method: "POST", path: "/0/private/ClosedOrders", needs: "read", answer: listClosed },
  { method: "POST", path: "/0/private/OpenPositions", needs: "read", answer: openPositions },
];

const highestNonce = 2n ** 64n - 1n;

/**
 * Kraken signs the path and the SHA-256 of nonce and body: HMAC-SHA512 under the secret decoded from base64,
 * the result in base64. The method is not signed. Source: docs.kraken.com, "Spot REST authentication".
 */
export function verifyKraken(
  signed: Readonly<{ path: string; nonce: string; body: string }>,
  signature: string,
  secret: string,
): boolean {
  const digest = createHash("sha256")
    .update(signed.nonce + signed.body)
    .digest();
  const mac = createHmac("sha512", Buffer.from(secret, "base64")).update(signed.path).update(digest);
  return equal(signature, mac.digest("base64"));
}

export const kraken: SimulatedVenue = {
  id: "kraken",
  hosts: ["live"],
  startingBalances,
  refusals,
  routes,
  issue: () => ({ apiKey: randomBase64(42), apiSecret: randomBase64(64) }),
  claim(request) {
    const apiKey = header(request, "api-key");
    if (apiKey === "") throw new Refused("missing_credentials");
    const text = parameters(request).get("nonce") ?? "";
    const nonce = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
    if (nonce === 0n || nonce > highestNonce) throw new Refused("bad_nonce");
    return { apiKey, nonce };
  },
  signatureHolds(request, { verifier }) {
    const nonce = parameters(request).get("nonce") ?? "";
    const signed = { path: request.path, nonce, body: request.body };
    return typeof verifier === "string" && verifyKraken(signed, header(request, "api-sign"), verifier);
  },
};
