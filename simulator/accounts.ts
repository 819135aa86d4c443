import { type KeyObject, randomUUID } from "node:crypto";
import type { Units } from "./decimal.ts";

export const environments = ["live", "paper", "testnet"] as const;
export type Environment = (typeof environments)[number];

/** What a key may do. Every venue says it in words of its own. */
export type KeyPermissions = Readonly<{
  read: boolean;
  trade: boolean;
  withdraw: boolean;
  transfer: boolean;
}>;

/** A spot market with a price that never moves: what a market order is filled at. */
export type Market = Readonly<{ id: string; base: string; quote: string; price: Units }>;

/** `expired`: cancelled by the venue, because its time in force left nothing else. */
export type OrderStatus = "open" | "filled" | "cancelled" | "expired";

/**
 * A limit order that does not cross rests (`gtc`, `day`, and no day ends here) or ends at once (`ioc`, `fok`:
 * fills are whole or none here, so that the two differ in name only). One that is `post_only` never fills
 * when it comes.
 */
export type TimeInForce = "gtc" | "day" | "ioc" | "fok" | "post_only";

export type Order = {
  readonly id: string;
  readonly clientOrderId: string;
  readonly market: Market;
  readonly side: "buy" | "sell";
  readonly type: "limit" | "market";
  readonly quantity: Units;
  readonly price: Units | undefined;
  readonly timeInForce: TimeInForce;
  readonly createdAtMs: number;
  updatedAtMs: number;
  filled: Units;
  status: OrderStatus;
};

type Position = Readonly<{
  /** Base currency of a perpetual contract settled in USDT, such as `BTC`. */
  base: string;
  side: "long" | "short";
  quantity: Units;
  entryPrice: Units;
}>;

/** `free` may be spent, `locked` is held by open orders. */
export type Balance = { free: Units; locked: Units };

export type Account = {
  readonly name: string;
  readonly environment: Environment;
  /** The venue's own numbering; the same for all keys of the account. */
  readonly number: number;
  readonly uuid: string;
  readonly createdAtMs: number;
  readonly balances: Map<string, Balance>;
  readonly orders: Order[];
  positions: readonly Position[];
  /** The main account that this is a sub-account of. */
  parent: Account | null;
  /** How many keys it may have. */
  keyLimit: number;
  /** The venue's own word for the state of the account, where it has one. */
  status: string;
  /** Names of restricting flags that are set, such as `trading_blocked`. */
  blocked: ReadonlySet<string>;
  /** A locked account is refused whatever the key. */
  locked: boolean;
  /** Bitget's unified account mode, which has another key-information call. */
  unified: boolean;
};

export type Key = {
  readonly id: string;
  readonly apiKey: string;
  /** What the venue keeps to verify with: the shared secret, or the public half of a key pair. */
  readonly verifier: string | KeyObject;
  readonly passphrase: string | undefined;
  readonly label: string;
  readonly account: Account;
  readonly createdAtMs: number;
  permissions: KeyPermissions;
  /** Permission words that no list of ours holds, shown beside the usual ones. */
  extraWords: readonly string[];
  /** Addresses that may use the key; empty means any. */
  boundIps: readonly string[];
  expiresAtMs: number | null;
  revoked: boolean;
  /** Highest nonce seen, for venues that demand a rising one. */
  lastNonce: bigint;
};

export const signings = ["hmac", "ed25519", "rsa", "es256"] as const;
export type Signing = (typeof signings)[number];

export type Credentials = Readonly<{ apiKey: string; apiSecret: string; passphrase?: string }>;

/** What may be said of a new key; credentials that are not given are generated. */
export type NewKey = Pick<
  Key,
  "label" | "permissions" | "extraWords" | "boundIps" | "expiresAtMs" | "lastNonce"
> &
  Readonly<{ given?: Partial<Credentials>; signing?: Signing }>;

/** What OKX documents; the others keep theirs to themselves. */
const usualKeyLimit = 50;

/** The keys and accounts of one venue. */
export class Accounts {
  readonly #keys = new Map<string, Key>();
  readonly #accounts = new Map<string, Account>();
  readonly #startingBalances: Readonly<Record<string, Units>>;

  constructor(startingBalances: Readonly<Record<string, Units>>) {
    this.#startingBalances = startingBalances;
  }

  addKey(key: Key): void {
    if (this.#keys.has(key.apiKey)) throw new Error("this API key exists already");
    this.#keys.set(key.apiKey, key);
  }

  key(apiKey: string): Key | undefined {
    return this.#keys.get(apiKey);
  }

  keysOf(account: Account): readonly Key[] {
    return [...this.#keys.values()].filter((key) => key.account === account && !key.revoked);
  }

  subAccountsOf(account: Account): readonly Account[] {
    return [...this.#accounts.values()].filter(({ parent }) => parent === account);
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  /** The account of that name, opened with the venue's starting balances if it is new. */
  open(environment: Environment, name: string): Account {
    const id = `${environment}/${name}`;
    const known = this.#accounts.get(id);
    if (known !== undefined) return known;
    const account = this.#create(environment, name);
    this.#accounts.set(id, account);
    return account;
  }

  #create(environment: Environment, name: string): Account {
    const balances = Object.entries(this.#startingBalances);
    return {
      name,
      environment,
      number: 10_000_001 + this.#accounts.size,
      uuid: randomUUID(),
      createdAtMs: Date.now(),
      balances: new Map(balances.map(([asset, free]) => [asset, { free, locked: 0n }])),
      orders: [],
      positions: [],
      parent: null,
      keyLimit: usualKeyLimit,
      status: "ACTIVE",
      blocked: new Set(),
      locked: false,
      unified: false,
    };
  }
}
