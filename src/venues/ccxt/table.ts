import type { ExchangeRow } from "./row.ts";
import { binance } from "./rows/binance.ts";

/** The exchanges of which Keyhold knows how they tell about a key and how they say no. */
export const exchangeTable: ReadonlyMap<string, ExchangeRow> = new Map([binance].map((row) => [row.id, row]));
