import type { KeyOptions } from "../../simulator/control.ts";
import type { VenueId } from "../../simulator/venue.ts";
import type { Environment } from "../../src/venues/venue.ts";
import type { Outcome, Permissions, Rejected } from "../../src/venues/verdict.ts";

type Refused = Readonly<{ outcome: Outcome; reason?: Rejected["reason"] }>;

/** What the contract suite expects of one venue, where venues differ. */
export type VenueCase = Readonly<{
  id: VenueId;
  environment: Environment;
  otherEnvironments: readonly Environment[];
  keyOptions?: KeyOptions;
  tells: Readonly<{ withdraw: boolean; addresses: boolean; expiry: boolean }>;
  /** Of a key that may read and trade. */
  goodPermissions: Partial<Permissions>;
  /** `null` where a key has no secret beside it. */
  wrongSecret: Refused | null;
  /** Of a key that was deleted. */
  unknownKey: Refused;
  expired: Refused;
  /** `null` where keys are not bound to addresses. */
  wrongAddress: Refused | null;
  /** Outcome when the venue's clock is an hour ahead; `null` where requests carry no time. */
  clock: Outcome | null;
  /** In the venue's style, so that it passes as one of its own. */
  strangeWord: string;
  /** `null` where there is nothing to trade. */
  symbol: string | null;
  orderPath: string;
  restingPrice: string;
  fillingPrice: string;
  balance: Readonly<Record<string, number>>;
  /** What the venue needs to list positions; `null` where none are tried. */
  positions: Readonly<{ symbols?: readonly string[] }> | null;
}>;

const readAndTrade = { read: "yes", trade: "yes", withdraw: "no" } as const;
const badKey = { outcome: "rejected", reason: "bad_key" } as const;
const ambiguous = { outcome: "ambiguous" } as const;

/** At the simulator a bitcoin costs 50,000 and a new account holds 100,000 USDT and one bitcoin. */
const crypto = {
  environment: "live",
  otherEnvironments: [],
  tells: { withdraw: true, addresses: true, expiry: false },
  goodPermissions: readAndTrade,
  wrongSecret: { outcome: "rejected", reason: "bad_signature" },
  unknownKey: badKey,
  expired: badKey,
  wrongAddress: { outcome: "ip_not_allowed" },
  clock: "clock_skew",
  strangeWord: "somethingNew",
  symbol: "BTC/USDT",
  restingPrice: "40000",
  fillingPrice: "50000",
  balance: { USDT: 100_000, BTC: 1 },
  positions: {},
} as const satisfies Partial<VenueCase>;

export const venueCases: readonly VenueCase[] = [
  {
    ...crypto,
    id: "binance",
    otherEnvironments: ["testnet", "paper"],
    tells: { withdraw: true, addresses: false, expiry: false },
    // One code for key, address and permission.
    expired: ambiguous,
    wrongAddress: ambiguous,
    strangeWord: "enableSomethingNew",
    orderPath: "/api/v3/order",
  },
  {
    ...crypto,
    id: "bybit",
    otherEnvironments: ["testnet", "paper"],
    tells: { withdraw: true, addresses: true, expiry: true },
    expired: { outcome: "rejected", reason: "expired" },
    orderPath: "/v5/order/create",
  },
  {
    ...crypto,
    id: "okx",
    otherEnvironments: ["paper"],
    orderPath: "/api/v5/trade/",
  },
  {
    ...crypto,
    id: "kraken",
    tells: { withdraw: true, addresses: true, expiry: true },
    // No code of its own for an address.
    wrongAddress: { outcome: "insufficient_permission" },
    // Its nonce only has to rise, whatever the clock says.
    clock: null,
    strangeWord: "something-new",
    orderPath: "/0/private/AddOrder",
  },
  {
    ...crypto,
    id: "coinbase",
    keyOptions: { signing: "es256" },
    tells: { withdraw: true, addresses: false, expiry: false },
    // A plain 401 for whatever is wrong.
    wrongSecret: ambiguous,
    unknownKey: ambiguous,
    expired: ambiguous,
    wrongAddress: ambiguous,
    // The Date of the answer says that it is the clock.
    clock: "clock_skew",
    strangeWord: "can_do_something_new",
    orderPath: "/api/v3/brokerage/orders",
    // The simulator has no derivatives here.
    positions: null,
  },
  {
    ...crypto,
    id: "kucoin",
    orderPath: "/api/v1/",
  },
  {
    ...crypto,
    id: "bitget",
    otherEnvironments: ["paper"],
    orderPath: "/api/v2/spot/trade/",
  },
  {
    ...crypto,
    id: "gate",
    otherEnvironments: ["testnet"],
    orderPath: "/api/v4/spot/orders",
  },
  {
    ...crypto,
    id: "mexc",
    tells: { withdraw: true, addresses: true, expiry: true },
    expired: { outcome: "rejected", reason: "expired" },
    orderPath: "/api/v3/order",
    positions: null,
  },
  {
    ...crypto,
    id: "alpaca",
    environment: "paper",
    otherEnvironments: ["live"],
    tells: { withdraw: false, addresses: false, expiry: false },
    goodPermissions: { read: "yes", trade: "unknown", withdraw: "unknown", boundIps: null },
    wrongSecret: badKey,
    // What the simulator says of it is of a key that may not reach the call.
    wrongAddress: ambiguous,
    clock: null,
    symbol: "AAPL",
    orderPath: "/v2/orders",
    restingPrice: "150",
    fillingPrice: "200",
    balance: { USD: 100_000 },
    positions: null,
  },
  {
    ...crypto,
    id: "massive",
    tells: { withdraw: false, addresses: false, expiry: false },
    goodPermissions: { read: "yes", trade: "no", withdraw: "no", transfer: "no" },
    // A key and nothing else: no other secret, no time, no addresses, nothing to trade.
    wrongSecret: null,
    wrongAddress: null,
    clock: null,
    symbol: null,
    orderPath: "",
  },
];
