import type { Pool } from "pg";
import { Disclosures } from "../src/audit/disclosures.ts";
import type { Custody } from "../src/credentials/custody.ts";
import { signed } from "./rights.ts";

/** A custody that tells nobody what it does and knows no venue: for processes of a test's own. */
export function bareCustody({
  recordPool,
  ...parts
}: Pick<Custody, "db" | "dataKeys" | "stores"> & Readonly<{ recordPool: Pool }>): Custody {
  return {
    ...parts,
    reports: parts.db,
    disclosures: new Disclosures(recordPool, signed(parts)),
    venues: { get: () => undefined, list: () => [], endsWithinMs: 20_000 },
    venueKeys: () => undefined,
    turns: async (_key, work) => work(),
    inspected: () => undefined,
    checked: () => undefined,
    refusalHeld: () => undefined,
    ambiguousMs: 24 * 3_600_000,
  };
}
