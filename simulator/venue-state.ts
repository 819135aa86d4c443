import { type Account, Accounts, type Credentials, type Key, type NewKey } from "./accounts.ts";
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

  /** The next key's id: the simulator's own, for the request log. */
  get nextKeyId(): string {
    return `${this.venue.id}-${this.accounts.keyCount + 1}`;
  }

  issueKey(account: Account, wanted: NewKey): Readonly<{ key: Key; credentials: Credentials }> {
    const { given = {}, signing, ...terms } = wanted;
    const issued = this.venue.issue({ environment: account.environment, signing });
    const credentials = { ...issued, ...given };
    const key: Key = {
      ...terms,
      id: this.nextKeyId,
      apiKey: credentials.apiKey,
      verifier: this.venue.verifier?.(credentials.apiSecret) ?? credentials.apiSecret,
      passphrase: credentials.passphrase,
      account,
      createdAtMs: this.nowMs(),
      revoked: false,
    };
    this.accounts.addKey(key);
    return { key, credentials };
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
