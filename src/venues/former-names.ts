/**
 * Names that people have for a venue, beside its id: ccxt's own aliases (`alias: true` in its classes of
 * these names), and the name that Massive had until October 2025.
 */
const ids: Readonly<Record<string, string>> = {
  bitpanda: "onetrading",
  coinbaseadvanced: "coinbase",
  gateio: "gate",
  huobi: "htx",
  okex: "okx",
  polygon: "massive",
};

/** The id of the venue that has this name, letter by letter; nothing is guessed. */
export function venueIdOf(name: string): string {
  return Object.hasOwn(ids, name) ? (ids[name] ?? name) : name;
}

/** Other names of the venue with this id. */
export function formerNamesOf(id: string): readonly string[] {
  return Object.keys(ids).filter((name) => ids[name] === id);
}
