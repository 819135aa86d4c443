import { exchangeList } from "../ccxt/list.ts";

/**
 * Venues of one house that know no key of each other. Ids in one group take the same keys. ccxt derives their
 * classes from one, or they share a brand.
 */
const houses: readonly (readonly (readonly string[])[])[] = [
  [["binance", "binanceusdm", "binancecoinm"], ["binanceus"], ["tokocrypto"]],
  [["bybit"], ["bybiteu"], ["bybitid"]],
  [["coinbase"], ["coinbaseexchange"], ["coinbaseinternational"]],
  [["gate"], ["gateeu"]],
  [["hitbtc"], ["bequant"], ["fmfwio"]],
  [["htx"], ["bittrade"]],
  [["kraken"], ["krakenfutures"]],
  [["modetrade"], ["woofipro"]],
  [["okx"], ["myokx"], ["okxus"]],
];

/** Venues to which a key may belong that this one does not know, each as `Name (id)`. */
export function sistersOf(venue: string): readonly string[] {
  const house = houses.find((groups) => groups.some((group) => group.includes(venue))) ?? [];
  return house
    .filter((group) => !group.includes(venue))
    .map(([id = ""]) => `${exchangeList.find((facts) => facts.id === id)?.name ?? id} (${id})`);
}
