import type { Market } from "./accounts.ts";
import { formatUnits, units } from "./decimal.ts";
import { Refused } from "./refusal.ts";
import type { Route } from "./venue.ts";

// What every venue shows of its markets. Prices never move, so all candles are alike.

const tick = units("0.01");

/** As texts: the last price, the best bid and ask with what is offered at them, and the volume of a day. */
export function quoteOf({ price }: Market) {
  return {
    last: formatUnits(price),
    bid: formatUnits(price - tick),
    ask: formatUnits(price + tick),
    size: "10",
    volume: "1000",
  };
}

/** Levels of price and amount, best first, as many as are asked for and five at most. */
export function bookOf({ price }: Market, depth: string | undefined) {
  const count = Math.min(5, Number(depth ?? 5));
  const levels = (direction: bigint) =>
    Array.from(
      { length: count },
      (_, at) => [formatUnits(price + direction * tick * BigInt(at + 1)), "10"] as const,
    );
  return { bids: levels(-1n), asks: levels(1n) };
}

type Wanted = Readonly<{ nowMs: number; stepMs: number; limit: string | undefined }>;

/** Where the latest candles begin, in milliseconds; the oldest first. */
export function candleStarts({ nowMs, stepMs, limit }: Wanted): readonly number[] {
  const latest = nowMs - (nowMs % stepMs);
  const count = Math.min(100, Number(limit ?? 100));
  return Array.from({ length: count }, (_, at) => latest - (count - 1 - at) * stepMs);
}

const minuteMs = 60_000;
const unitMs: readonly (readonly [unit: RegExp, ms: number])[] = [
  [/^s/, 1000],
  [/^mo|^M/, 30 * 1440 * minuteMs],
  [/^m?$|^mi/, minuteMs],
  [/^h/i, 60 * minuteMs],
  [/^d/i, 1440 * minuteMs],
  [/^w/i, 7 * 1440 * minuteMs],
];

/** The length of a candle in a venue's words: `1h`, `60`, `1hour`, `1Hour`. A bare number is of minutes. */
export function stepOf(words: string | undefined): number {
  const [, count = "1", unit = ""] = /^(\d*)([A-Za-z]*)/.exec(words ?? "1m") ?? [];
  const [, ms] = unitMs.find(([pattern]) => pattern.test(unit)) ?? [undefined, minuteMs];
  return Number(count === "" ? 1 : count) * ms;
}

/** A route that needs no key. */
export const open = (path: string, answer: Extract<Route, { needs: "nothing" }>["answer"]): Route => ({
  method: "GET",
  path,
  needs: "nothing",
  answer,
});

const prices = { BTC: units("50000"), ETH: units("2500") };

/** The two spot markets of every crypto venue here, named in the venue's way. */
export const usdtMarkets = (name: (base: string, quote: string) => string): readonly Market[] =>
  Object.entries(prices).map(([base, price]) => ({ id: name(base, "USDT"), base, quote: "USDT", price }));

/** What every new account of a crypto venue holds. */
export const startingBalances = { USDT: units("100000"), BTC: units("1"), ETH: units("10") };

/** Throws `Refused("unknown_symbol")`. */
export function marketNamed(markets: readonly Market[], id: string | undefined): Market {
  const market = markets.find((market) => market.id === id);
  if (market === undefined) throw new Refused("unknown_symbol");
  return market;
}

export function marketOf(markets: readonly Market[], base: string): Market {
  const market = markets.find((market) => market.base === base);
  if (market === undefined) throw new Refused("unknown_symbol");
  return market;
}
