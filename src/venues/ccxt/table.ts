import type { ExchangeRow } from "./row.ts";
import { binance } from "./rows/binance.ts";
import { bitget } from "./rows/bitget.ts";
import { bybit } from "./rows/bybit.ts";
import { coinbase } from "./rows/coinbase.ts";
import { gate } from "./rows/gate.ts";
import { kraken } from "./rows/kraken.ts";
import { kucoin } from "./rows/kucoin.ts";
import { mexc } from "./rows/mexc.ts";
import { okx } from "./rows/okx.ts";

/** The exchanges of which Keyhold knows how they tell about a key and how they say no. */
export const exchangeTable: ReadonlyMap<string, ExchangeRow> = new Map(
  [binance, bybit, okx, kraken, coinbase, kucoin, bitget, gate, mexc].map((row) => [row.id, row]),
);
