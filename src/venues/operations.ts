import { z } from "zod";
import { address, currency, network, orderId, ownAccount, symbol, tag, timeframe } from "./grammars.ts";
import type { OperationClass, VenueDescription } from "./venue.ts";

/** One thing that `invoke` can ask a venue to do, under the name that ccxt gives it on every exchange. */
export type Operation = Readonly<{
  name: string;
  class: OperationClass;
  /** True where the call carries a client order id, so that a lost answer can be looked up. */
  placesOrder: boolean;
  /** Strict: a parameter that is not listed is refused. */
  params: z.ZodObject;
  /** Which parameters the unified method takes by position, in its order; the rest go as named options. */
  positional: readonly string[];
}>;

const since = z.int().nonnegative().describe("milliseconds since 1970");
const limit = z.int().min(1).max(1000);
/** Text keeps every digit; a number is as exact as JavaScript's. */
const decimal = z
  .union([z.string().regex(/^\d{1,20}(\.\d{1,20})?$/), z.number()])
  .refine((value) => Number(value) > 0, "must be greater than zero");

/** Orders or trades of one market or of all, from a time on. */
export const windowParams = z.strictObject({
  symbol: symbol.optional(),
  since: since.optional(),
  limit: limit.optional(),
});
export const tickerParams = z.strictObject({ symbol });
/** Candles of one market, from a time on; the latest where no time is given. */
export const candlesParams = z.strictObject({
  symbol,
  timeframe: timeframe.prefault("1m"),
  since: since.optional(),
  limit: limit.optional(),
});
export const orderBookParams = z.strictObject({ symbol, limit: limit.optional() });
export const oneOrderParams = z.strictObject({ id: orderId, symbol: symbol.optional() });

export const newOrderParams = z
  .strictObject({
    symbol,
    type: z.enum(["market", "limit"]),
    side: z.enum(["buy", "sell"]),
    amount: decimal,
    price: decimal.optional(),
    timeInForce: z.enum(["GTC", "IOC", "FOK", "DAY"]).optional(),
    postOnly: z.boolean().optional(),
    reduceOnly: z.boolean().optional(),
    triggerPrice: decimal.optional(),
  })
  .refine((it) => it.type === "market" || it.price !== undefined, {
    path: ["price"],
    message: "a limit order needs a price",
  });

const transferParams = z.strictObject({
  code: currency,
  amount: decimal,
  fromAccount: ownAccount,
  toAccount: ownAccount,
});

const read = { class: "read", placesOrder: false } as const;
const trade = { class: "trade", placesOrder: false } as const;
const byWindow = { params: windowParams, positional: ["symbol", "since", "limit"] } as const;

/** Every operation Keyhold knows; a venue's description says which of them it has. */
export const operations: readonly Operation[] = [
  { name: "account", ...read, params: z.strictObject({}), positional: [] },
  { name: "fetchStatus", ...read, params: z.strictObject({}), positional: [] },
  { name: "fetchBalance", ...read, params: z.strictObject({}), positional: [] },
  {
    name: "fetchPositions",
    ...read,
    params: z.strictObject({ symbols: z.array(symbol).max(100).optional() }),
    positional: ["symbols"],
  },
  { name: "fetchTicker", ...read, params: tickerParams, positional: ["symbol"] },
  {
    name: "fetchOHLCV",
    ...read,
    params: candlesParams,
    positional: ["symbol", "timeframe", "since", "limit"],
  },
  { name: "fetchOrderBook", ...read, params: orderBookParams, positional: ["symbol", "limit"] },
  { name: "fetchOrder", ...read, params: oneOrderParams, positional: ["id", "symbol"] },
  { name: "fetchOrders", ...read, ...byWindow },
  { name: "fetchOpenOrders", ...read, ...byWindow },
  { name: "fetchClosedOrders", ...read, ...byWindow },
  { name: "fetchMyTrades", ...read, ...byWindow },
  {
    name: "createOrder",
    class: "trade",
    placesOrder: true,
    params: newOrderParams,
    positional: ["symbol", "type", "side", "amount", "price"],
  },
  { name: "cancelOrder", ...trade, params: oneOrderParams, positional: ["id", "symbol"] },
  {
    name: "cancelAllOrders",
    ...trade,
    params: z.strictObject({ symbol: symbol.optional() }),
    positional: ["symbol"],
  },
  {
    name: "transfer",
    class: "transfer",
    placesOrder: false,
    params: transferParams,
    positional: ["code", "amount", "fromAccount", "toAccount"],
  },
  {
    name: "withdraw",
    class: "withdraw",
    placesOrder: false,
    params: z.strictObject({
      code: currency,
      amount: decimal,
      address,
      tag: tag.optional(),
      network: network.optional(),
    }),
    positional: ["code", "amount", "address", "tag"],
  },
];

/**
 * The operation of this name, if this venue has it. A transfer goes from one of the accounts that the venue
 * lists to another, so never to another person.
 */
export function findOperation(
  venue: Pick<VenueDescription, "operations" | "transferAccounts">,
  name: string,
): Operation | undefined {
  if (!venue.operations.includes(name)) return undefined;
  const operation = operations.find((it) => it.name === name);
  if (operation?.class !== "transfer") return operation;
  const own = z.enum(venue.transferAccounts ?? []);
  return { ...operation, params: transferParams.extend({ fromAccount: own, toAccount: own }) };
}
