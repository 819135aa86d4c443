import { randomUUID } from "node:crypto";
import type { Account, Balance, Market, Order, OrderStatus, TimeInForce } from "./accounts.ts";
import { divide, multiply, type Units } from "./decimal.ts";
import { type Answer, Refused } from "./refusal.ts";

export type OrderRequest = Readonly<{
  /** Empty when the client chose none: the venue then makes one. */
  clientOrderId: string | undefined;
  market: Market;
  side: string | undefined;
  type: string | undefined;
  /** In the base currency; or `cost`, in the quote currency. */
  quantity?: Units | undefined;
  cost?: Units | undefined;
  price?: Units | undefined;
  /** A market order is filled at once, whatever it says. */
  timeInForce: TimeInForce;
}>;

export type OrderRules = Readonly<{
  /** A new order id of the venue's own look. */
  newId: () => string;
  /** What a client order id must look like. */
  clientOrderId: RegExp;
  /**
   * `open`: a client order id may be used again once its order is no longer open. `ever`: it never may.
   * `nothing`: the venue does not look, and every order with the same id is another order.
   */
  uniqueAmong: "nothing" | "open" | "ever";
  /**
   * What is answered to an order that ends at once, where the venue does not accept it first and end it then.
   */
  refused?: Readonly<Partial<Record<"fok" | "post_only", Answer>>>;
}>;

let lastNumber = 1_000_000;

/** For venues that number their orders. */
export const nextNumber = (): string => String(++lastNumber);

/**
 * Places an order and moves the balances. A market order, or a limit order that crosses the market's price,
 * is filled whole and at once at that price; any other rests until it is cancelled, unless its time in force
 * says otherwise. Throws `Refused`.
 */
export function placeOrder(account: Account, request: OrderRequest, nowMs: number, rules: OrderRules): Order {
  const { market } = request;
  const { side, type, quantity, price, timeInForce } = readTerms(request);
  const clientOrderId = acceptedClientOrderId(account, request.clientOrderId, rules);
  const limit = price ?? market.price;
  const crosses = type === "market" || (side === "buy" ? limit >= market.price : limit <= market.price);
  const spent = balanceOf(account, side === "buy" ? market.quote : market.base);
  const cost = side === "buy" ? multiply(quantity, crosses ? market.price : limit) : quantity;
  if (spent.free < cost) throw new Refused("insufficient_funds");
  const status = type === "market" ? "filled" : statusAtOnce(timeInForce, crosses, rules);
  if (status !== "expired") spent.free -= cost;
  if (status === "filled") credit(account, market, side, quantity);
  if (status === "open") spent.locked += cost;
  const order: Order = {
    id: rules.newId(),
    clientOrderId,
    market,
    side,
    type,
    quantity,
    price,
    timeInForce,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    filled: status === "filled" ? quantity : 0n,
    status,
  };
  account.orders.push(order);
  return order;
}

function statusAtOnce(
  timeInForce: TimeInForce,
  crosses: boolean,
  { refused = {} }: OrderRules,
): Exclude<OrderStatus, "cancelled"> {
  if (timeInForce === "gtc" || timeInForce === "day") return crosses ? "filled" : "open";
  if (timeInForce === "post_only" && !crosses) return "open";
  if (timeInForce !== "post_only" && crosses) return "filled";
  const answer = timeInForce === "ioc" ? undefined : refused[timeInForce];
  if (answer !== undefined) throw new Refused(crosses ? "would_take" : "would_rest", answer);
  return "expired";
}

/**
 * Cancels an open order and frees what it held. Throws `Refused("unknown_order")` when it is open no more.
 */
export function cancelOrder(account: Account, order: Order, nowMs: number): Order {
  if (order.status !== "open") throw new Refused("unknown_order");
  const asset = order.side === "buy" ? order.market.quote : order.market.base;
  const held = order.side === "buy" ? multiply(order.quantity, order.price ?? 0n) : order.quantity;
  const balance = balanceOf(account, asset);
  balance.locked -= held;
  balance.free += held;
  order.status = "cancelled";
  order.updatedAtMs = nowMs;
  return order;
}

/**
 * By the venue's id, or by the client's when there is none; in that market only, where the venue asks for
 * one. Throws `Refused("unknown_order")`.
 */
export function findOrder(
  account: Account,
  by: Readonly<{ id?: string | undefined; clientOrderId?: string | undefined; market?: Market }>,
): Order {
  // The newest first: a reused client order id names the latest order.
  const order = account.orders.findLast(
    (order) =>
      (by.id ? by.id === order.id : by.clientOrderId === order.clientOrderId) &&
      (by.market ?? order.market) === order.market,
  );
  if (order === undefined) throw new Refused("unknown_order");
  return order;
}

export const openOrders = (account: Account, market?: Market): readonly Order[] =>
  account.orders.filter(
    (order) => order.status === "open" && (market === undefined || order.market === market),
  );

/** What the filled part of an order cost, in the quote currency. */
export const filledCost = (order: Order): Units => multiply(order.filled, order.market.price);

export function balanceOf(account: Account, asset: string): Balance {
  const known = account.balances.get(asset);
  if (known !== undefined) return known;
  const empty = { free: 0n, locked: 0n };
  account.balances.set(asset, empty);
  return empty;
}

function credit(account: Account, market: Market, side: "buy" | "sell", quantity: Units): void {
  if (side === "buy") balanceOf(account, market.base).free += quantity;
  else balanceOf(account, market.quote).free += multiply(quantity, market.price);
}

function acceptedClientOrderId(
  account: Account,
  wanted: string | undefined,
  { clientOrderId, uniqueAmong }: OrderRules,
): string {
  if (!wanted) return randomUUID();
  if (!clientOrderId.test(wanted)) throw new Refused("malformed_request");
  const rivals = { nothing: [], open: openOrders(account), ever: account.orders }[uniqueAmong];
  if (rivals.some((order) => order.clientOrderId === wanted)) throw new Refused("duplicate_order");
  return wanted;
}

/**
 * What a venue's word means. Throws `Refused("malformed_request")` for a word that the venue does not have.
 */
export function timeInForceOf(words: Readonly<Record<string, TimeInForce>>, word: string): TimeInForce {
  const found = Object.hasOwn(words, word) ? words[word] : undefined;
  if (found === undefined) throw new Refused("malformed_request");
  return found;
}

/** The venue's word for it; empty where the venue has none. */
export function wordFor(words: Readonly<Record<string, TimeInForce>>, timeInForce: TimeInForce): string {
  return Object.entries(words).find(([, meaning]) => meaning === timeInForce)?.[0] ?? "";
}

type Terms = Pick<Order, "side" | "type" | "quantity" | "price" | "timeInForce">;

function readTerms(request: OrderRequest): Terms {
  const side = request.side?.toLowerCase();
  const type = request.type?.toLowerCase();
  if (side !== "buy" && side !== "sell") throw new Refused("malformed_request");
  if (type !== "limit" && type !== "market") throw new Refused("malformed_request");
  const price = type === "limit" ? request.price : undefined;
  if (type === "limit" && !price) throw new Refused("malformed_request");
  const quantity = request.quantity ?? (request.cost && divide(request.cost, price ?? request.market.price));
  if (!quantity) throw new Refused("malformed_request");
  return { side, type, quantity, price, timeInForce: request.timeInForce };
}
