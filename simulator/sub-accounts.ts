import type { Account, Key, KeyPermissions } from "./accounts.ts";
import { Refused } from "./refusal.ts";
import type { Credentials } from "./venue.ts";
import type { VenueState } from "./venue-state.ts";

type Terms = Readonly<{
  label: string;
  permissions: KeyPermissions;
  boundIps: readonly string[];
  passphrase?: string;
}>;

/** What the owner of an account may do with its sub-accounts and their keys. */
export class SubAccounts {
  readonly #state: VenueState;
  readonly #main: Account;

  constructor(state: VenueState, main: Account) {
    this.#state = state;
    this.#main = main;
  }

  /** Throws `Refused` where the account is a sub-account itself. */
  get all(): readonly Account[] {
    if (this.#main.parent !== null) throw new Refused("not_main_account");
    return this.#state.accounts.subAccountsOf(this.#main);
  }

  /** Throws `Refused` when there is none. */
  find(fits: (account: Account) => boolean): Account {
    const found = this.all.find(fits);
    if (found === undefined) throw new Refused("unknown_sub_account");
    return found;
  }

  keysOf(account: Account): readonly Key[] {
    return this.#state.accounts.keysOf(account);
  }

  /** Throws `Refused` when the account has as many keys as it may have. */
  issue(account: Account, { passphrase, ...terms }: Terms): Readonly<{ key: Key; credentials: Credentials }> {
    if (this.keysOf(account).length >= account.keyLimit) throw new Refused("key_limit");
    return this.#state.issueKey(account, {
      ...terms,
      extraWords: [],
      expiresAtMs: null,
      lastNonce: 0n,
      ...(passphrase !== undefined && { given: { passphrase } }),
    });
  }

  /** Deletes the key at once. Throws `Refused` when no sub-account that `fits` has it. */
  remove(apiKey: string | undefined, fits: (account: Account) => boolean = () => true): Key {
    const found = this.all
      .filter(fits)
      .flatMap((account) => this.keysOf(account))
      .find((key) => key.apiKey === apiKey);
    if (found === undefined) throw new Refused("unknown_sub_key");
    found.revoked = true;
    return found;
  }
}
