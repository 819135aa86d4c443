import type { KeyPermissions } from "../simulator/accounts.ts";
import type { IssuedKey, KeyOptions } from "../simulator/control.ts";
import type { Simulator } from "../simulator/simulator.ts";

export const keyVenues = ["binance", "bybit", "okx", "kucoin", "bitget", "gate"] as const;
export type KeyVenue = (typeof keyVenues)[number];

const loopback = "127.0.0.1";
/** What the parent key may do: the least that each venue asks for. */
const parentRights: Readonly<Record<KeyVenue, Partial<KeyPermissions>>> = {
  binance: { trade: true },
  bybit: { trade: false, transfer: true },
  okx: { trade: true },
  kucoin: { trade: false },
  bitget: { trade: true },
  gate: { trade: true },
};

/** A main account with a key that may manage keys. */
export function addParentKey({ control }: Simulator, venue: KeyVenue, options: KeyOptions = {}): IssuedKey {
  const account = "main";
  control.setAccount(venue, account, { unified: venue === "bitget" });
  return control.addKey(venue, {
    account,
    permissions: parentRights[venue],
    boundIps: [loopback],
    ...options,
  });
}

/** A sub-account of it with a key in force, bound to this machine unless said otherwise. */
export function addSubKey({ control }: Simulator, venue: KeyVenue, options: KeyOptions = {}): IssuedKey {
  const account = options.account ?? "desk01";
  control.setAccount(venue, account, { parent: "main", unified: venue === "bitget" });
  return control.addKey(venue, { account, boundIps: [loopback], label: "by hand", ...options });
}
