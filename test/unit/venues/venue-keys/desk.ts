import type { IssuedKey, KeyOptions, KeyView } from "../../../../simulator/control.ts";
import { type Simulator, startSimulator } from "../../../../simulator/simulator.ts";
import type { VenueId } from "../../../../simulator/venue.ts";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues, type Venues, type VenuesConfig } from "../../../../src/venues/index.ts";
import type { KeyTarget, VenueKeys } from "../../../../src/venues/venue-keys.ts";
import type { FieldName, SecretFields, Venue } from "../../../../src/venues/venue.ts";
import type { Verdict } from "../../../../src/venues/verdict.ts";
import { addParentKey, addSubKey, type KeyVenue, keyVenues } from "../../../../testkit/sub-accounts.ts";

export { type KeyVenue, keyVenues };

/** Every venue simulated, and the real venue processes that talk to them. */
export class Desk implements AsyncDisposable {
  readonly simulator: Simulator;
  readonly venues: Venues;

  private constructor(simulator: Simulator, config: VenuesConfig) {
    this.simulator = simulator;
    const hosts = Object.fromEntries(keyVenues.map((venue) => [venue, simulator.url(venue, "live")]));
    this.venues = createVenues({ hosts, egressAddresses: ["192.0.2.7"], ...config });
  }

  static async open(config: VenuesConfig = {}): Promise<Desk> {
    return new Desk(await startSimulator(), config);
  }

  keys(venue: KeyVenue): VenueKeys {
    const keys = this.venues.keys(venue);
    if (keys === undefined) throw new Error(`no keys are managed at ${venue}`);
    return keys;
  }

  venue(id: KeyVenue): Venue {
    const venue = this.venues.get(id);
    if (venue === undefined) throw new Error(`no venue ${id}`);
    return venue;
  }

  addParent(venue: KeyVenue, options?: KeyOptions): IssuedKey {
    return addParentKey(this.simulator, venue, options);
  }

  addCurrent(venue: KeyVenue, options?: KeyOptions): IssuedKey {
    return addSubKey(this.simulator, venue, options);
  }

  keysOf(venue: VenueId, account = "desk01"): readonly KeyView[] {
    return this.simulator.control.keys(venue, account);
  }

  /** Throws for anything but a creation. */
  async create(venue: KeyVenue, target: KeyTarget, marker: string): Promise<SecretFields> {
    const creation = await this.keys(venue).create(target, marker);
    if (creation.outcome !== "created") throw new Error(JSON.stringify(creation));
    return creation.fields;
  }

  inspect(venue: KeyVenue, fields: SecretFields): Promise<Verdict> {
    return this.venue(venue).inspect({ tenantId: "tenant", environment: "live", fields });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.venues.close();
    await this.simulator.close();
  }
}

export function fieldsOf({ apiKey, apiSecret, passphrase }: Partial<IssuedKey>): SecretFields {
  const texts = { api_key: apiKey, api_secret: apiSecret, passphrase };
  return new Map(
    Object.entries(texts).flatMap(([name, text]) =>
      text === undefined || !isFieldName(name) ? [] : [[name, Secret.fromText(text)] as const],
    ),
  );
}

function isFieldName(name: string): name is FieldName {
  return name === "api_key" || name === "api_secret" || name === "passphrase";
}

export function targetOf(parent: IssuedKey, current: IssuedKey): KeyTarget {
  return { tenantId: "tenant", environment: "live", parent: fieldsOf(parent), current: fieldsOf(current) };
}

/** The method by which each venue deletes; all create with POST. */
export const deletion: Readonly<Record<KeyVenue, "POST" | "DELETE">> = {
  binance: "DELETE",
  bybit: "POST",
  okx: "POST",
  kucoin: "DELETE",
  bitget: "POST",
  gate: "DELETE",
};

export function textOf(fields: SecretFields, name: FieldName): string {
  return fields.get(name)?.expose((bytes) => Buffer.from(bytes).toString()) ?? "";
}
