import { z } from "zod";
import type { newOrderParams } from "../../operations.ts";

/**
 * Alpaca's shapes as ccxt's unified ones, with the venue's own object as `info`. Amounts come as decimal
 * texts.
 */

const amount = z.string().transform(Number);
const account = z.looseObject({ currency: z.string(), cash: amount, buying_power: amount });

/** Cash of the account. `free` is what can be spent at once, which leaves margin out. */
export function showBalance(json: unknown): unknown {
  const { currency, cash, buying_power: buyingPower } = account.parse(json);
  const free = Math.max(0, Math.min(cash, buyingPower));
  const used = cash - free;
  return {
    info: json,
    [currency]: { free, used, total: cash },
    free: { [currency]: free },
    used: { [currency]: used },
    total: { [currency]: cash },
  };
}

const position = z.looseObject({
  symbol: z.string(),
  side: z.string(),
  qty: amount,
  avg_entry_price: amount,
  market_value: amount.nullable(),
  unrealized_pl: amount.nullable(),
  current_price: amount.nullable(),
});

export function showPositions(symbols: unknown): (json: unknown) => unknown {
  const wanted = z.array(z.string()).optional().parse(symbols);
  return (json) =>
    z
      .array(position)
      .parse(json)
      .filter(({ symbol }) => wanted === undefined || wanted.includes(symbol))
      .map((it) => ({
        symbol: it.symbol,
        side: it.side,
        contracts: Math.abs(it.qty),
        entryPrice: it.avg_entry_price,
        markPrice: it.current_price,
        notional: it.market_value,
        unrealizedPnl: it.unrealized_pl,
        info: it,
      }));
}

const order = z.looseObject({
  id: z.string().min(1),
  client_order_id: z.string(),
  created_at: z.string(),
  symbol: z.string(),
  type: z.string(),
  side: z.string(),
  qty: amount.nullable(),
  filled_qty: amount,
  filled_avg_price: amount.nullable(),
  limit_price: amount.nullable(),
  stop_price: amount.nullable(),
  time_in_force: z.string(),
  status: z.string(),
});

const closed: Readonly<Record<string, string>> = {
  filled: "closed",
  canceled: "canceled",
  expired: "expired",
  rejected: "rejected",
  replaced: "canceled",
};

export function showOrder(json: unknown): unknown {
  const it = order.parse(json);
  return {
    id: it.id,
    clientOrderId: it.client_order_id,
    datetime: it.created_at,
    timestamp: Date.parse(it.created_at),
    symbol: it.symbol,
    type: it.type,
    side: it.side,
    timeInForce: it.time_in_force.toUpperCase(),
    price: it.limit_price,
    triggerPrice: it.stop_price,
    amount: it.qty,
    filled: it.filled_qty,
    remaining: it.qty === null ? null : it.qty - it.filled_qty,
    average: it.filled_avg_price,
    status: closed[it.status] ?? "open",
    info: json,
  };
}

export function showOrders(json: unknown): unknown {
  return z.array(z.unknown()).parse(json).map(showOrder);
}

/**
 * Name of a term that Alpaca has not; leaving it out in silence would place another order than was asked for.
 */
export function unsupportedTerm(terms: z.infer<typeof newOrderParams>): string | undefined {
  return (["postOnly", "reduceOnly"] as const).find((name) => terms[name] === true);
}

export function wireOrder(terms: z.infer<typeof newOrderParams>, clientOrderId: string | undefined): object {
  const stop = terms.triggerPrice;
  const crypto = terms.symbol.includes("/");
  return {
    symbol: terms.symbol,
    qty: decimalText(terms.amount),
    side: terms.side,
    type: stop === undefined ? terms.type : terms.type === "limit" ? "stop_limit" : "stop",
    time_in_force: (terms.timeInForce ?? (crypto ? "GTC" : "DAY")).toLowerCase(),
    ...(terms.type === "limit" && terms.price !== undefined ? { limit_price: decimalText(terms.price) } : {}),
    ...(stop === undefined ? {} : { stop_price: decimalText(stop) }),
    ...(clientOrderId === undefined ? {} : { client_order_id: clientOrderId }),
  };
}

/** Without the exponent that JavaScript writes for small numbers. */
function decimalText(value: string | number): string {
  const text = String(value);
  return text.includes("e")
    ? Number(value)
        .toFixed(20)
        .replace(/\.?0+$/, "")
    : text;
}
