import type { ExchangeRow } from "./exchange.ts";
import { binance, binancecoinm, binanceus, binanceusdm } from "./binance.ts";
import { bitget } from "./bitget.ts";
import { bybit } from "./bybit.ts";
import { coinbase } from "./coinbase.ts";
import { gate } from "./gate.ts";
import { kraken } from "./kraken.ts";
import { kucoin } from "./kucoin.ts";
import { mexc } from "./mexc.ts";
import { okx } from "./okx.ts";

/** Exchanges with the API of another one, at hosts or with markets of their own. In ccxt their classes derive from its class. */
const sisters: readonly ExchangeRow[] = [
  binanceusdm,
  binancecoinm,
  binanceus,
  { ...bybit, id: "bybiteu" },
  { ...bybit, id: "bybitid" },
  { ...okx, id: "myokx" },
  { ...okx, id: "okxus" },
  { ...kucoin, id: "kucoinfutures" },
  // Its testnet would be that of Gate.
  { ...gate, id: "gateeu", environments: { live: "live" } },
];

/** The exchanges of which Keyhold knows how they tell about a key and how they say no. */
export const exchangeTable: ReadonlyMap<string, ExchangeRow> = new Map(
  [binance, bybit, okx, kraken, coinbase, kucoin, bitget, gate, mexc, ...sisters].map((row) => [row.id, row]),
);
