import { binance, binancecoinm, binanceus, binanceusdm } from "./binance.ts";
import { bitget } from "./bitget.ts";
import { bybit, bybiteu, bybitid } from "./bybit.ts";
import { coinbase } from "./coinbase.ts";
import type { KnownExchange, Traits } from "./exchange.ts";
import { gate, gateeu } from "./gate.ts";
import { kraken } from "./kraken.ts";
import { kucoin, kucoinfutures } from "./kucoin.ts";
import { mexc } from "./mexc.ts";
import { myokx, okx, okxus } from "./okx.ts";
import { otherExchanges } from "./others.ts";

const known: readonly KnownExchange[] = [
  [binance, binanceusdm, binancecoinm, binanceus],
  [bybit, bybiteu, bybitid],
  [okx, myokx, okxus],
  [kraken, coinbase, bitget, mexc],
  [kucoin, kucoinfutures],
  [gate, gateeu],
].flat();

/**
 * The exchanges of which Keyhold knows how they describe a key and how they refuse one, by the id of ccxt.
 */
export const exchangeTable: ReadonlyMap<string, KnownExchange> = new Map(
  known.map((exchange) => [exchange.id, exchange]),
);

/** What is known of a venue; nothing of most. */
export function traitsOf(venue: string): Traits {
  const others = Object.hasOwn(otherExchanges, venue) ? otherExchanges[venue] : undefined;
  return exchangeTable.get(venue) ?? others ?? {};
}
