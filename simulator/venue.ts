import type { KeyObject } from "node:crypto";
import type { Account, Credentials, Environment, Key, Signing } from "./accounts.ts";
import type { Units } from "./decimal.ts";
import type { Answer, KeyReason, Reason } from "./refusal.ts";
import type { WireRequest } from "./request.ts";
import type { SubAccounts } from "./sub-accounts.ts";

export const venueIds = [
  "binance",
  "bybit",
  "okx",
  "kraken",
  "coinbase",
  "kucoin",
  "bitget",
  "gate",
  "mexc",
  "alpaca",
  "massive",
] as const;
export type VenueId = (typeof venueIds)[number];

/** What a request says of itself before anything is verified. */
export type Claim = Readonly<{
  apiKey: string;
  /** When the client says it signed, and for how long that holds (also ahead of the venue's clock). */
  signedAtMs?: number;
  windowMs?: number;
  aheadMs?: number;
  nonce?: bigint;
}>;

/** A request whose key, signature and rights have been verified. */
export type Call = Readonly<{
  request: WireRequest;
  key: Key;
  account: Account;
  /** All keys of the account that are not revoked. */
  accountKeys: readonly Key[];
  /** Those of the account, for calls of a main account. */
  subAccounts: SubAccounts;
  /** A parameter from the path, the query or the body. */
  text(name: string): string | undefined;
  nowMs: number;
}>;

export type PublicCall = Readonly<{ request: WireRequest; nowMs: number; text: Call["text"] }>;

type At = Readonly<{
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** The venue's own path in fastify's notation (`:name` for a part that varies, `::` for a colon). */
  path: string;
  /** Hosts that have it; all when not given. */
  hosts?: readonly Environment[];
}>;

type PublicRoute = At & Readonly<{ needs: "nothing"; answer: (call: PublicCall) => Answer }>;
/** `key`: any working key, whatever it may do. */
export type PrivateRoute = At & Readonly<{ needs: "key" | "read" | "trade"; answer: (call: Call) => Answer }>;
export type Route = PublicRoute | PrivateRoute;

/** One venue as it looks from outside. The whole of its state is kept for it (see `venue-state.ts`). */
export interface SimulatedVenue {
  readonly id: VenueId;
  /**
   * Environments that have a host of their own; each is served on a port of its own. The first is the
   * default.
   */
  readonly hosts: readonly Environment[];
  /**
   * For venues that have one host and know demo trading by a header: keys that are not live are demo keys.
   */
  isDemo?(headers: Readonly<Record<string, string>>): boolean;
  readonly startingBalances: Readonly<Record<string, Units>>;
  readonly refusals: Readonly<Record<Reason, Answer>>;
  /**
   * For venues whose routes manage the keys of sub-accounts: what they answer for the reasons that they have.
   */
  readonly keyRefusals?: Readonly<Partial<Record<KeyReason, Answer>>>;
  readonly routes: readonly Route[];
  /**
   * Makes credentials that look like the venue's own; its usual kind of key where no way of signing is named.
   */
  issue(wanted: Readonly<{ environment: Environment; signing: Signing | undefined }>): Credentials;
  /** What the venue keeps of a secret; the secret itself unless the client holds a private key. */
  verifier?(apiSecret: string): string | KeyObject;
  /**
   * Reads the headers or parameters that authenticate; throws `Refused("missing_credentials")` without them.
   */
  claim(request: WireRequest): Claim;
  signatureHolds(request: WireRequest, key: Key): boolean;
  passphraseHolds?(request: WireRequest, key: Key): boolean;
}
