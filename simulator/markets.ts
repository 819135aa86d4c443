import { units } from "./decimal.ts";
import type { Market } from "./orders.ts";
import { Refused } from "./refusal.ts";

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
