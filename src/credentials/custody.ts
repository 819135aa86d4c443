import type { Disclosures } from "../audit/disclosures.ts";
import type { Db } from "../db/connect.ts";
import type { Turns } from "../db/turns.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";
import type { Stores } from "../stores/store.ts";
import type { VenueKeys } from "../venues/venue-keys.ts";
import type { Venues } from "../venues/venue.ts";
import type { Verdict } from "../venues/verdict.ts";
import type { Hold } from "./outcome.ts";

/**
 * What the verbs of this folder work with; each asks for the part that it needs. Connected in
 * `open-custody.ts`.
 */
export type Custody = Readonly<{
  db: Db;
  /** For searches and exports, which may take long: connections of their own, and a bound on each statement. */
  reports: Db;
  disclosures: Pick<Disclosures, "append">;
  dataKeys: DataKeySource;
  stores: Stores;
  venues: Venues;
  /** The management of keys at a venue; `undefined` where its API has none. */
  venueKeys: (venue: string) => VenueKeys | undefined;
  turns: Turns;
  /** Called after every inspection, for the metrics. */
  inspected: (venue: string, verdict: Verdict, seconds: number) => void;
  /** Called after every health check. */
  checked: (tenantId: string, venue: string, outcome: Verdict["outcome"]) => void;
  /** Called when a refusal is held back, with the reason: the operator should look. */
  refusalHeld: (venue: string, why: Hold) => void;
  /** How long an ambiguous refusal must last to end a credential. */
  ambiguousMs: number;
}>;
