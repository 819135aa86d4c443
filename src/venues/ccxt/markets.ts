import { LRUCache } from "lru-cache";
import type { VenueCall } from "../adapter.ts";
import type { Mode } from "../exchanges/exchange.ts";
import { FetchFailure, Withheld } from "../process/bounded-fetch.ts";
import { openExchange } from "./exchange.ts";
import { marketsPermit } from "./gate.ts";
import type { Exchange } from "./instance.ts";

export type Markets = Readonly<{
  /** An instance that has the venue's markets, for others to share. */
  of(id: string, mode: Mode, send: VenueCall["send"]): Promise<Exchange>;
}>;

const hour = 3_600_000;

/**
 * Keeps the market lists of the exchanges last used. They are loaded without a credential, so nothing of a
 * tenant is in them. Concurrent callers wait for one load, which goes on to its own end when a caller's
 * deadline passes; a load that fails is forgotten. `onLoading` is called when a list that has arrived is
 * parsed, which takes the event loop for a while, and when none is any more.
 */
export function createMarkets(onLoading: (active: boolean) => void = () => {}): Markets {
  let parsed = 0;
  const count = (change: 1 | -1): void => {
    parsed += change;
    if (parsed === (change === 1 ? 1 : 0)) onLoading(change === 1);
  };
  const lists = new LRUCache<string, Promise<Exchange>>({ max: 8, ttl: hour });
  return {
    of(id, mode, send) {
      const key = `${id} ${mode}`;
      const known = lists.get(key);
      if (known !== undefined) return known;
      const loading = load(id, mode, send, count);
      lists.set(key, loading);
      loading.catch(() => lists.delete(key));
      return loading;
    },
  };
}

async function load(
  id: string,
  mode: Mode,
  send: VenueCall["send"],
  count: (change: 1 | -1) => void,
): Promise<Exchange> {
  let isParsing = false;
  const parsing = (active: boolean): void => {
    if (active !== isParsing) count(active ? 1 : -1);
    isParsing = active;
  };
  const exchange = await openExchange(id, mode, {
    fields: new Map(),
    permit: await marketsPermit(id),
    async send(request) {
      parsing(false);
      const answer = await send(request);
      parsing(true);
      return answer;
    },
  });
  try {
    await exchange.loadMarkets();
    return exchange;
  } catch (error) {
    if (error instanceof FetchFailure || error instanceof Withheld) throw error;
    // Whatever ccxt made of it, it says nothing about the credential that the list was loaded for.
    throw new FetchFailure("network", "The list of markets could not be loaded");
  } finally {
    parsing(false);
  }
}
