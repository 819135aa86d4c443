import { z } from "zod";
import { fieldNames } from "../venue.ts";
import exchanges from "./exchanges.json" with { type: "json" };

const exchangeFacts = z.strictObject({
  id: z.string(),
  name: z.string(),
  fields: z.array(z.enum(fieldNames)),
  /** Whether ccxt has sandbox hosts for it. */
  sandbox: z.boolean(),
  /** Whether reading the balance depends on the secret; where it does not, a read proves nothing. */
  provable: z.boolean(),
  /** Keyhold's operations that ccxt declares for it. */
  operations: z.array(z.string()),
});

/** What is known of one exchange of ccxt without loading ccxt. */
export type ExchangeFacts = Readonly<z.infer<typeof exchangeFacts>>;

/** Every exchange of the installed ccxt, from a table that `generate.ts` writes. */
export const exchangeList: readonly ExchangeFacts[] = z.array(exchangeFacts).parse(exchanges);

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
