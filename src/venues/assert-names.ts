import { StartError } from "../errors.ts";
import { createAdapters } from "./adapters.ts";
import { venueIdOf } from "./former-names.ts";
import type { VenuesConfig } from "./settings.ts";
import { unknownName } from "../config/mistakes.ts";

/**
 * Throws `StartError` where a setting names a venue that there is not, or an environment that a venue lacks. A setting under a wrong
 * name would have no effect, and requests would go to the real venue or from another address.
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
