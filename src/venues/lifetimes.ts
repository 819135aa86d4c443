import type { Environment, OperationClass } from "./venue.ts";

/** A venue's own rule about how long a key lives, which an inspection may not tell. */
export type Lifetime = Readonly<{
  days: number;
  /** What the days are counted from; each use begins them anew where it is the last one. */
  from: "creation" | "last_use";
  /** Whether it ends only keys that are bound to no address. */
  unboundOnly: boolean;
  /** The key ends only if it may do one of these; `null` where it ends whatever it may do. */
  may: readonly OperationClass[] | null;
  /** Where this was read. */
  source: string;
}>;

const bybit: Lifetime = {
  days: 90,
  from: "creation",
  unboundOnly: true,
  may: null,
  // A change of the account's password ends such a key within 7 days, which nobody but the venue can know.
  source: "https://bybit-exchange.github.io/docs/v5/user/create-subuid-apikey",
};

const okx: Lifetime = {
  days: 14,
  from: "last_use",
  unboundOnly: true,
  may: ["trade", "withdraw"],
  source: "https://www.okx.com/docs-v5/en/#overview-api-key-creation",
};

const kucoin: Lifetime = {
  days: 30,
  from: "last_use",
  unboundOnly: true,
  may: ["trade"],
  source: "https://www.kucoin.com/support/360015102174",
};

const gate: Lifetime = {
  days: 90,
  from: "creation",
  unboundOnly: true,
  may: null,
  source: "https://www.gate.com/help/guide/faq/17521/how-to-utilize-api",
};

/** By the id of the venue. Where a venue says nothing that could be cited, it has no row. */
export const lifetimes: Readonly<Record<string, Lifetime>> = {
  bingx: {
    days: 14,
    from: "last_use",
    unboundOnly: true,
    may: ["trade", "transfer"],
    source: "https://bingx.pro/de-de/accounts/api",
  },
  bybit,
  bybiteu: bybit,
  bybitid: bybit,
  coinex: {
    // Three months.
    days: 90,
    from: "creation",
    unboundOnly: true,
    may: null,
    source: "https://docs.coinex.com/api/v2/zh/account/subs/http/create-sub-api",
  },
  gate,
  gateeu: gate,
  htx: {
    days: 90,
    from: "last_use",
    unboundOnly: true,
    may: ["trade", "withdraw"],
    source: "https://www.htx.com/en-us/apikey",
  },
  kucoin,
  kucoinfutures: kucoin,
  mexc: {
    // The page has the days that are left; that they begin at 90 is seen in answers to keys of which the age is known.
    days: 90,
    from: "creation",
    unboundOnly: true,
    may: null,
    source: "https://www.mexc.com/api-docs/spot-v3/spot-account-trade/query-api-key-info",
  },
  myokx: okx,
  okx,
  okxus: okx,
  upbit: {
    // One year, bound or not; it cannot be extended.
    days: 365,
    from: "creation",
    unboundOnly: false,
    may: null,
    source: "https://docs.upbit.com/kr/reference/list-api-keys",
  },
};

/** Venues speak of live keys; OKX says that its keys for demo trading do not end. */
export function lifetimeAt(venue: string, environment: Environment): Lifetime | undefined {
  return environment === "live" && Object.hasOwn(lifetimes, venue) ? lifetimes[venue] : undefined;
}
