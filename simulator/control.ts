import type { Account, Credentials, Environment, Key, KeyPermissions, Signing } from "./accounts.ts";
import { formatUnits, units } from "./decimal.ts";
import type { Fault, FaultScope } from "./faults.ts";
import type { LoggedRequest, RequestFilter, RequestLog } from "./request-log.ts";
import type { VenueState } from "./venue-state.ts";
import type { VenueId } from "./venue.ts";

export type KeyOptions = Readonly<{
  /** Given credentials are taken as they are; what is not given is generated. */
  apiKey?: string;
  apiSecret?: string;
  passphrase?: string;
  /** What is not said is: may read and trade, may not withdraw or transfer. */
  permissions?: Partial<KeyPermissions>;
  /** Permission words of the venue that no document has, shown beside the usual ones. */
  extraWords?: readonly string[];
  /** Addresses that may use the key; any when not given. */
  boundIps?: readonly string[];
  expiresAt?: string;
  /** The highest nonce that another program has used with the key, in decimal digits. */
  lastNonce?: string;
  /** Keys that name the same account share its balances and orders; a new account each when not given. */
  account?: string;
  environment?: Environment;
  label?: string;
  signing?: Signing;
}>;

/** Everything a client of the venue needs, and the simulator's own id of the key for the request log. */
export type IssuedKey = Credentials &
  Readonly<{
    venue: VenueId;
    keyId: string;
    environment: Environment;
    account: string;
    accountNumber: number;
  }>;

export type AccountOptions = Readonly<{
  environment?: Environment;
  /** Free amounts as decimals, by asset; assets not named keep theirs. */
  balances?: Readonly<Record<string, string>>;
  positions?: readonly Readonly<{
    base: string;
    side: "long" | "short";
    quantity: string;
    entryPrice: string;
  }>[];
  status?: string;
  blocked?: readonly string[];
  locked?: boolean;
  unified?: boolean;
  /** Makes it a sub-account of the account of that name. */
  parent?: string;
  keyLimit?: number;
}>;

/** What an account holds and did, in plain values. */
export type AccountView = Readonly<{
  number: number;
  balances: Readonly<Record<string, Readonly<{ free: string; locked: string }>>>;
  orders: readonly Readonly<{
    id: string;
    clientOrderId: string;
    symbol: string;
    side: string;
    type: string;
    quantity: string;
    status: string;
  }>[];
}>;

/** A key as the account's owner sees it. The secret is there as well, so that tests can look for it. */
export type KeyView = Readonly<{
  keyId: string;
  apiKey: string;
  /** `null` where the venue keeps the public half of a key pair. */
  apiSecret: string | null;
  label: string;
  permissions: KeyPermissions;
  boundIps: readonly string[];
}>;

const usualPermissions: KeyPermissions = { read: true, trade: true, withdraw: false, transfer: false };

/** Controls the simulator: what a person would do on the web sites of the venues, and faults beside. */
export class Control {
  readonly #states: ReadonlyMap<VenueId, VenueState>;
  readonly #log: RequestLog;

  constructor(states: ReadonlyMap<VenueId, VenueState>, log: RequestLog) {
    this.#states = states;
    this.#log = log;
  }

  addKey(venue: VenueId, options: KeyOptions = {}): IssuedKey {
    const state = this.#state(venue);
    const environment = options.environment ?? state.venue.hosts[0] ?? "live";
    const account = state.accounts.open(environment, options.account ?? state.nextKeyId);
    const { key, credentials } = state.issueKey(account, {
      given: givenCredentials(options),
      ...(options.signing !== undefined && { signing: options.signing }),
      label: options.label ?? "simulated",
      permissions: { ...usualPermissions, ...options.permissions },
      extraWords: options.extraWords ?? [],
      boundIps: options.boundIps ?? [],
      expiresAtMs: options.expiresAt === undefined ? null : Date.parse(options.expiresAt),
      lastNonce: BigInt(options.lastNonce ?? "0"),
    });
    return {
      venue,
      keyId: key.id,
      ...credentials,
      environment,
      account: account.name,
      accountNumber: account.number,
    };
  }

  /** The keys of an account that are not deleted, in the order in which they were made. */
  keys(venue: VenueId, account: string, environment?: Environment): readonly KeyView[] {
    const state = this.#state(venue);
    return state.accounts.keysOf(this.#account(venue, account, environment)).map(showKey);
  }

  /** The key is deleted at the venue: from now on it is unknown. */
  revokeKey(venue: VenueId, apiKey: string): void {
    this.#key(venue, apiKey).revoked = true;
  }

  /** Ends the key now, or at the given time (RFC 3339). */
  expireKey(venue: VenueId, apiKey: string, at?: string): void {
    this.#key(venue, apiKey).expiresAtMs = at === undefined ? this.#state(venue).nowMs() : Date.parse(at);
  }

  /** Changes the named permissions and leaves the others. */
  setPermissions(venue: VenueId, apiKey: string, permissions: Partial<KeyPermissions>): void {
    const key = this.#key(venue, apiKey);
    key.permissions = { ...key.permissions, ...permissions };
  }

  bindIps(venue: VenueId, apiKey: string, boundIps: readonly string[]): void {
    this.#key(venue, apiKey).boundIps = boundIps;
  }

  /** Changes what is named and leaves the rest; opens the account if it is new. */
  setAccount(venue: VenueId, name: string, options: AccountOptions): void {
    const account = this.#account(venue, name, options.environment);
    for (const [asset, free] of Object.entries(options.balances ?? {})) {
      account.balances.set(asset, { free: units(free), locked: account.balances.get(asset)?.locked ?? 0n });
    }
    account.positions =
      options.positions?.map(({ base, side, quantity, entryPrice }) => ({
        base,
        side,
        quantity: units(quantity),
        entryPrice: units(entryPrice),
      })) ?? account.positions;
    account.status = options.status ?? account.status;
    account.blocked = options.blocked === undefined ? account.blocked : new Set(options.blocked);
    account.locked = options.locked ?? account.locked;
    account.unified = options.unified ?? account.unified;
    account.keyLimit = options.keyLimit ?? account.keyLimit;
    if (options.parent !== undefined) {
      account.parent = this.#account(venue, options.parent, options.environment);
    }
  }

  account(venue: VenueId, name: string, environment?: Environment): AccountView {
    return viewOf(this.#account(venue, name, environment));
  }

  /** Puts the venue's clock that many milliseconds ahead of ours; behind when negative. */
  setClockSkew(venue: VenueId, skewMs: number): void {
    this.#state(venue).clockSkewMs = skewMs;
  }

  /** Makes the next fitting requests fail, or all until `clearFaults` when no number of times is given. */
  fail(venue: VenueId, fault: Fault, scope: FaultScope = {}): void {
    this.#state(venue).faults.plan(fault, scope);
  }

  /** Clears the faults of one venue, or of all. */
  clearFaults(venue?: VenueId): void {
    const states = venue === undefined ? this.#states.values() : [this.#state(venue)];
    for (const state of states) state.faults.clear();
  }

  requests(filter: RequestFilter = {}): readonly LoggedRequest[] {
    return this.#log.find(filter);
  }

  countRequests(filter: RequestFilter = {}): number {
    return this.#log.find(filter).length;
  }

  clearRequests(): void {
    this.#log.clear();
  }

  /** Forgets everything: keys, accounts, failures, clocks and the log. Addresses stay. */
  reset(): void {
    for (const state of this.#states.values()) state.reset();
    this.#log.clear();
  }

  #state(venue: VenueId): VenueState {
    const state = this.#states.get(venue);
    if (state === undefined) throw new Error(`the simulator has no venue ${venue}`);
    return state;
  }

  #key(venue: VenueId, apiKey: string): Key {
    const key = this.#state(venue).accounts.key(apiKey);
    if (key === undefined) throw new Error(`${venue} has no such key`);
    return key;
  }

  #account(venue: VenueId, name: string, environment?: Environment): Account {
    const state = this.#state(venue);
    return state.accounts.open(environment ?? state.venue.hosts[0] ?? "live", name);
  }
}

const givenCredentials = ({ apiKey, apiSecret, passphrase }: KeyOptions) => ({
  ...(apiKey !== undefined && { apiKey }),
  ...(apiSecret !== undefined && { apiSecret }),
  ...(passphrase !== undefined && { passphrase }),
});

const showKey = ({ id, apiKey, verifier, label, permissions, boundIps }: Key): KeyView => ({
  keyId: id,
  apiKey,
  apiSecret: typeof verifier === "string" ? verifier : null,
  label,
  permissions,
  boundIps,
});

const viewOf = (account: Account): AccountView => ({
  number: account.number,
  balances: Object.fromEntries(
    [...account.balances].map(([asset, { free, locked }]) => [
      asset,
      { free: formatUnits(free), locked: formatUnits(locked) },
    ]),
  ),
  orders: account.orders.map(({ id, clientOrderId, market, side, type, quantity, status }) => ({
    id,
    clientOrderId,
    symbol: market.id,
    side,
    type,
    quantity: formatUnits(quantity),
    status,
  })),
});
