import { z } from "zod";
import type { OperationClass, VenueDescription } from "./venue.ts";

// Texts that a caller chooses and that may end up in the path, query or body of a request. None of these
// grammars has a slash that a symbol does not need, two dots in a row, a backslash, a question mark, a number
// sign or a percent sign: no text can make one request into another.

/**
 * A part of a symbol: letters of any script (Binance lists 币安人生), digits, and the marks that codes are known
 * to have.
 */
const part = String.raw`[\p{L}\p{N}$!_][\p{L}\p{N}$!_*+.\-]*`;

function text(pattern: string, longest: number) {
  return z
    .string()
    .trim()
    .max(longest)
    .regex(new RegExp(`^(?!.*\\.\\.)(?:${pattern})$`, "u"), "has a character that it may not have");
}

/**
 * A unified symbol such as `BTC/USDT:USDT-240628-50000-C`, or an id of the venue's own such as `C:EURUSD`.
 */
export const symbol = text(`${part}(?:/${part})?(?::${part})?`, 64);
/** A currency. */
export const currency = text(part, 32);
/** A chain, under the name of ccxt or of the venue: `ERC20`, `Arbitrum One(ARB)`. */
export const network = text(String.raw`[A-Za-z0-9][A-Za-z0-9 ()_.\-]*`, 64);
/** The id of an order. */
export const orderId = text(String.raw`[A-Za-z0-9][A-Za-z0-9_:.=\-]*`, 128);
/**
 * Where a withdrawal goes: an address of a chain, an account's name such as `alice.near`, or an address by
 * mail or Lightning.
 */
export const address = text(String.raw`[A-Za-z0-9][A-Za-z0-9_:.=+@\-]*`, 256);
/** What some chains want beside an address. */
export const tag = text(String.raw`[A-Za-z0-9][A-Za-z0-9 _:.,=+@\-]*`, 256);
/** One of the caller's own accounts at the venue. */
const ownAccount = text("[a-z][a-z_]*", 32);
/** The length of a candle in ccxt's words: seconds, minutes, hours, days, weeks, months, years. */
const timeframe = text("[1-9][0-9]{0,2}[smhdwMy]", 4);

const secondMs = 1000;
const unitMs: Readonly<Record<string, number>> = {
  s: secondMs,
  m: 60 * secondMs,
  h: 3600 * secondMs,
  d: 86_400 * secondMs,
  w: 7 * 86_400 * secondMs,
  M: 31 * 86_400 * secondMs,
  y: 366 * 86_400 * secondMs,
};

/** The length of a candle in milliseconds, of a month and a year the longest. */
export function lengthOf(timeframe: string): number {
  return Number(timeframe.slice(0, -1)) * (unitMs[timeframe.slice(-1)] ?? 0);
}

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
