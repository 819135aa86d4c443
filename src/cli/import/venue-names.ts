import type { Venue } from "../shapes.ts";

/**
 * Names that people have for a venue, beside its id: ccxt's own aliases (`alias: true` in its classes of these names), and the
 * name that Massive had until October 2025.
 */
const aliases: Readonly<Record<string, string>> = {
  bitpanda: "onetrading",
  coinbaseadvanced: "coinbase",
  gateio: "gate",
  huobi: "htx",
  okex: "okx",
  polygon: "massive",
};

/** The venue that a source calls by this name, letter by letter; nothing is guessed. */
export function venueNamed(venues: readonly Venue[], name: string): Venue | undefined {
  const id = Object.hasOwn(aliases, name) ? aliases[name] : name;
  return venues.find((venue) => venue.id === id);
}
