import { isDeepStrictEqual } from "node:util";
import type { Account, Accounts, Credentials, Key, KeyPermissions, NewKey } from "./accounts.ts";
import { Refused } from "./refusal.ts";

type Terms = Readonly<{
  label: string;
  permissions: KeyPermissions;
  boundIps: readonly string[];
  passphrase?: string;
}>;

type Issuer = Readonly<{
  accounts: Accounts;
  issueKey(account: Account, wanted: NewKey): Readonly<{ key: Key; credentials: Credentials }>;
}>;

/** What the owner of an account may do with its sub-accounts and their keys. */
export class SubAccounts {
  readonly #state: Issuer;
  readonly #main: Account;

  constructor(state: Issuer, main: Account) {
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

/** Every key may read, and no key of a sub-account may withdraw. */
export const subPermissions = (given: Pick<KeyPermissions, "trade" | "transfer">): KeyPermissions => ({
  read: true,
  withdraw: false,
  ...given,
});

/**
 * A new key can be given what keys here are shown to have, and nothing else: rights are all or nothing in the
 * simulator, so a client that leaves one word out is refused. Throws `Refused`.
 */
export function demandSame(asked: unknown, shown: unknown): void {
  if (!isDeepStrictEqual(asked, shown)) throw new Refused("malformed_request");
}

/** What may write to anything. */
export const writes = ({ trade, withdraw, transfer }: KeyPermissions): boolean =>
  trade || withdraw || transfer;

/** The parts of a comma-separated list. */
export const listed = (text: string | undefined): readonly string[] =>
  text === undefined || text === "" ? [] : text.split(",").map((part) => part.trim());

export const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((part) => typeof part === "string");

/** A page of that many items, counted from the cursor, and the cursor of the next page where there is one. */
export function pageOf<T>(
  items: readonly T[],
  limit: number,
  cursor: string | undefined,
): Readonly<{ items: readonly T[]; next: string | undefined }> {
  const from = Number(cursor ?? 0);
  const end = from + limit;
  return { items: items.slice(from, end), next: end < items.length ? String(end) : undefined };
}
