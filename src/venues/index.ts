import { unknownName } from "../config/mistakes.ts";
import { StartError } from "../errors.ts";
import { createAdapters } from "./adapters.ts";
import { createVenue, createVenueKeys, type KnownRefusals, refusalsInMemory } from "./ask.ts";
import { exchangeTable } from "./exchanges/index.ts";
import { createPool, endsWithinMs, type PoolOptions } from "./process/pool.ts";
import { type VenuesConfig, venueSettings } from "./settings.ts";
import type { VenueKeys } from "./venue-keys.ts";
import { venueIdOf, type Venues as KnownVenues } from "./venue.ts";

export type { PoolEvent, PoolOptions } from "./process/pool.ts";
export type { VenuesConfig } from "./settings.ts";
export { egressAddresses } from "./settings.ts";

export type Venues = KnownVenues &
  Readonly<{
    /** The management of API keys at this venue; `undefined` where its API has none. */
    keys(id: string): VenueKeys | undefined;
    /** Ends the venue processes; calls under way end as unavailable. */
    close(): Promise<void>;
  }>;

/**
 * Every venue Keyhold can talk to. No venue code runs and no credential is plaintext in this process: calls
 * go to child processes, which are started by the first one. Throws `RangeError` for senseless settings.
 */
export function createVenues(
  config: VenuesConfig = {},
  { refusals = refusalsInMemory(), ...options }: PoolOptions & Readonly<{ refusals?: KnownRefusals }> = {},
): Venues {
  const settings = venueSettings(config);
  const pool = createPool(settings, options);
  const descriptions = [...createAdapters().values()].map(({ description }) => description);
  const venues = new Map(
    descriptions.map((description) => [description.id, createVenue(description, pool, refusals)]),
  );
  const keys = new Map(
    descriptions.flatMap((description) => {
      const issuing = exchangeTable.get(description.id)?.issuing;
      return issuing === undefined ? [] : [[description.id, createVenueKeys(description, issuing, pool)]];
    }),
  );
  return {
    get: (id) => venues.get(venueIdOf(id)),
    list: () => descriptions,
    endsWithinMs: endsWithinMs(settings, options),
    keys: (id) => keys.get(venueIdOf(id)),
    close: () => pool.close(),
  };
}

/**
 * Throws `StartError` where a setting names a venue that there is not, or an environment that a venue lacks.
 * A setting under a wrong name would have no effect, and requests would go to the real venue or from another
 * address.
 */
export function assertVenueNames({ hosts = {}, proxies = {}, egressAddresses = [] }: VenuesConfig): void {
  const venues = createAdapters();
  const named: readonly (readonly [variable: string, names: readonly string[]])[] = [
    ["KEYHOLD_VENUE_HOSTS", Object.keys(hosts)],
    ["KEYHOLD_VENUE_PROXIES", Object.keys(proxies)],
    ["KEYHOLD_EGRESS_ADDRESSES", Array.isArray(egressAddresses) ? [] : Object.keys(egressAddresses)],
  ];
  for (const [variable, names] of named) {
    const wrong = names.find((name) => !venues.has(name));
    if (wrong === undefined) continue;
    const present = venueIdOf(wrong);
    if (present === wrong) throw unknownName(variable, wrong, "venue", venues.keys());
    throw new StartError(`${variable} names ${wrong}, which is called ${present} here.`);
  }
  for (const [venue, host] of Object.entries(hosts)) {
    const listed = venues.get(venue)?.description.environments ?? [];
    const wrong =
      typeof host === "string"
        ? undefined
        : Object.keys(host).find((name) => !listed.some((it) => it === name));
    if (wrong === undefined) continue;
    throw unknownName("KEYHOLD_VENUE_HOSTS", wrong, `environment of ${venue}`, listed);
  }
}
