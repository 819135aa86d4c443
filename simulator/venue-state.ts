import { Accounts } from "./accounts.ts";
import { Faults } from "./faults.ts";
import type { SimulatedVenue } from "./venue.ts";

/** A venue with everything about it that can change. */
export class VenueState {
  readonly venue: SimulatedVenue;
  readonly faults = new Faults();
  accounts: Accounts;
  /** How far the venue's clock is ahead of ours. */
  clockSkewMs = 0;

  constructor(venue: SimulatedVenue) {
    this.venue = venue;
    this.accounts = new Accounts(venue.startingBalances);
  }

  nowMs(): number {
    return Date.now() + this.clockSkewMs;
  }

  /** Forgets keys, accounts, faults and skew. */
  reset(): void {
    this.accounts = new Accounts(this.venue.startingBalances);
    this.faults.clear();
    this.clockSkewMs = 0;
  }
}
