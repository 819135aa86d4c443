import type { Adapter } from "./adapter.ts";
import { generalAdapter, rowAdapter } from "./ccxt/adapter.ts";
import { loadExchange } from "./ccxt/exchange.ts";
import { exchangeList } from "./ccxt/list.ts";
import { createMarkets } from "./ccxt/markets.ts";
import { alpaca } from "./exchanges/alpaca/alpaca.ts";
import { exchangeTable } from "./exchanges/index.ts";
import { massive } from "./exchanges/massive.ts";

/** Adapters of our own, which need no code of ccxt. */
const own = [alpaca, massive];

/**
 * Every venue by id. `onLoading`: a market list begins or ends to be parsed. Adapters of our own go before
 * ccxt's of the same name: its Alpaca knows crypto only.
 */
export function createAdapters(onLoading?: (active: boolean) => void): ReadonlyMap<string, Adapter> {
  const markets = createMarkets(onLoading);
  const exchanges = exchangeList.map((facts) => {
    const row = exchangeTable.get(facts.id);
    return row === undefined ? generalAdapter(facts, markets) : rowAdapter(facts, row, markets);
  });
  return new Map([...exchanges, ...own].map((adapter) => [adapter.description.id, adapter]));
}

/** Loads the code that the calls of a venue need. Throws `TypeError` where there is none. */
export async function loadVenue(id: string): Promise<void> {
  if (!own.some(({ description }) => description.id === id)) await loadExchange(id);
}
