import type { Secret } from "../crypto/secret.ts";
import type { Ambiguous, Indefinite, Limited, MaybeUnsent, Rejected, Verdict } from "./verdict.ts";

export const environments = ["live", "paper", "testnet"] as const;
export type Environment = (typeof environments)[number];

/** The fields a secret may consist of, named as the stores and the API name them. */
export const fieldNames = [
  "api_key",
  "api_secret",
  "passphrase",
  "uid",
  "wallet_address",
  "private_key",
  "token",
] as const;
export type FieldName = (typeof fieldNames)[number];

export type SecretFields = ReadonlyMap<FieldName, Secret>;

/** What an operation can do to an account; a credential's policy and the caller's scopes must allow it. */
export const operationClasses = ["read", "trade", "transfer", "withdraw"] as const;
export type OperationClass = (typeof operationClasses)[number];

/** What can be known of a venue without asking it: shown by `GET /venues`. */
export type VenueDescription = Readonly<{
  id: string;
  name: string;
  environments: readonly Environment[];
  fields: readonly FieldName[];
  /** Whether an inspection can prove a key; where it cannot, a key is kept unproven or not at all. */
  provable: boolean;
  /** What an inspection can show of a key. */
  reports: Readonly<{ permissions: boolean; boundIps: boolean; expiry: boolean; account: boolean }>;
  /** True where the venue demands a rising nonce: calls with one credential are then serialised. */
  risingNonce: boolean;
  /** True where an order carries an id chosen by the client, by which it can be looked up. */
  clientOrderIds: boolean;
  /** Names of the operations that `invoke` accepts here. */
  operations: readonly string[];
  /** Accounts of one owner between which `transfer` moves money. */
  transferAccounts?: readonly string[];
}>;

/** The JSON value that a venue answered; unread, so `unknown`. */
export type InvokeResult =
  | Readonly<{ outcome: "done"; result: unknown }>
  /** The venue answered and said no; the operation did not take place. */
  | (MaybeUnsent & Readonly<{ outcome: "refused"; message: string }>)
  /** Keyhold did not send a request that the operation may not send. Nothing has changed at the venue. */
  | Readonly<{ outcome: "withheld"; unsent: true; message: string }>
  /** Authentication failed in a live call: decides nothing, triggers an inspection. */
  | Rejected
  | Ambiguous
  | Limited
  /** The operation may have taken place if its class is above read. */
  | Indefinite;

/** `absent` is definite: the venue knows no order with this client order id. */
export type OrderLookup = InvokeResult | Readonly<{ outcome: "absent" }>;

/** `tenantId`: for whom the call is made. What one tenant can have under way is bounded. */
export type CallTarget = Readonly<{ tenantId: string; environment: Environment; fields: SecretFields }>;

export type Invocation = Readonly<{
  operation: string;
  /** Validated against the operation's own schema before it comes here. */
  params: Readonly<Record<string, unknown>>;
  /** Set for every operation that places an order. */
  clientOrderId?: string;
}>;

/**
 * One venue. Nothing here throws for what a venue answers: every answer is a verdict.
 * Every call is bounded by the configured time-out over headers and body.
 */
export interface Venue {
  readonly description: VenueDescription;
  /** One cheap authenticated call that proves the key and reads what it may do. */
  inspect(target: CallTarget): Promise<Verdict>;
  invoke(target: CallTarget, invocation: Invocation): Promise<InvokeResult>;
  /** Finds an order by the client order id that Keyhold derived; only where `clientOrderIds` is true. */
  findOrder(target: CallTarget, order: { clientOrderId: string; symbol: string }): Promise<OrderLookup>;
}

/** Every venue that Keyhold knows. */
export interface Venues {
  /** The venue of this id or former name. Keep `venue.description.id`, not the name that was asked for. */
  get(id: string): Venue | undefined;
  list(): readonly VenueDescription[];
  /** Milliseconds after which nothing of a call is under way any more, whatever happened to it. */
  readonly endsWithinMs: number;
}

/**
 * Names that people have for a venue, beside its id: ccxt's own aliases (`alias: true` in its classes of
 * these names), and the name that Massive had until October 2025.
 */
const ids: Readonly<Record<string, string>> = {
  bitpanda: "onetrading",
  coinbaseadvanced: "coinbase",
  gateio: "gate",
  huobi: "htx",
  okex: "okx",
  polygon: "massive",
};

/** The id of the venue that has this name, letter by letter; nothing is guessed. */
export function venueIdOf(name: string): string {
  return Object.hasOwn(ids, name) ? (ids[name] ?? name) : name;
}

/** Other names of the venue with this id. */
export function formerNamesOf(id: string): readonly string[] {
  return Object.keys(ids).filter((name) => ids[name] === id);
}
