import { z } from "zod";
import { grant, unknownPermissions } from "../permissions.ts";
import { asIs, type ExchangeRow, findByOption, type KeyInformation, type Probe } from "../row.ts";

// developers.binance.com: wallet "API key permission", spot "Error codes", spot "Account information".

const restrictions = z.looseObject({
  ipRestrict: z.boolean(),
  createTime: z.number(),
  enableReading: z.boolean(),
  enableWithdrawals: z.boolean(),
  tradingAuthorityExpirationTime: z.number().optional(),
});

const tradeFlags = new Set([
  "enableSpotAndMarginTrading",
  "enableMargin",
  "enableFutures",
  "enableVanillaOptions",
  "enablePortfolioMarginTrading",
  "enableFixApiTrade",
]);
const transferFlags = new Set(["enableInternalTransfer", "permitsUniversalTransfer"]);
const otherFlags = new Set(["ipRestrict", "enableReading", "enableWithdrawals", "enableFixReadOnly"]);

function readRestrictions(json: unknown): KeyInformation | undefined {
  const { data } = restrictions.safeParse(json);
  if (data === undefined) return undefined;
  const granted = Object.keys(data).filter((name) => data[name] === true);
  const known = (name: string) => tradeFlags.has(name) || transferFlags.has(name) || otherFlags.has(name);
  const end = data.tradingAuthorityExpirationTime;
  return {
    permissions: {
      read: grant(data.enableReading),
      trade: grant(granted.some((name) => tradeFlags.has(name))),
      withdraw: grant(data.enableWithdrawals),
      transfer: grant(granted.some((name) => transferFlags.has(name))),
      // It tells whether the key is bound, not to which addresses.
      boundIps: data.ipRestrict ? null : [],
      unknownWords: granted.filter((name) => !known(name)),
    },
    expiresAt: end === undefined ? null : new Date(end).toISOString(),
    account: {},
  };
}

const spotAccount = z.looseObject({
  accountType: z.string(),
  balances: z.array(z.unknown()),
  uid: z.number().optional(),
});

function readAccount(json: unknown): KeyInformation | undefined {
  const { data } = spotAccount.safeParse(json);
  if (data === undefined) return undefined;
  // `canTrade` and `canWithdraw` speak of the account, not of the key.
  return {
    permissions: unknownPermissions,
    expiresAt: null,
    account: { type: data.accountType, ...(data.uid === undefined ? {} : { id: String(data.uid) }) },
  };
}

const keyRestrictions: Probe = {
  request: () => ({ api: "sapi", path: "account/apiRestrictions", method: "GET" }),
  read: readRestrictions,
};

/** Testnet and demo have no wallet API. */
const spotAccountOnly: Probe = {
  request: () => ({ api: "private", path: "account", method: "GET" }),
  read: readAccount,
};

const error = z.looseObject({ code: z.number().negative(), msg: z.string().optional() });

export const binance: ExchangeRow = {
  id: "binance",
  environments: { live: "live", testnet: "sandbox", paper: "demo" },
  tells: { permissions: true, boundIps: false, expiry: false, account: false },
  risingNonce: false,
  probes: (mode) => [mode === "live" ? keyRestrictions : spotAccountOnly],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      return data && { code: String(data.code), ...(data.msg === undefined ? {} : { text: data.msg }) };
    },
    codes: {
      "-2014": "bad_key",
      "-2008": "bad_key",
      "-1022": "bad_signature",
      "-2015": {
        meaning: "bad_key",
        hint: "Binance does not say whether the key, the address or a permission is at fault.",
        addresses: true,
      },
      "-1002": "insufficient_permission",
      "-1005": "ip_not_allowed",
      "-1021": "clock_skew",
      "-1003": "rate_limited",
      "-1000": "venue_unavailable",
      "-1001": "venue_unavailable",
      "-1006": "venue_unavailable",
      "-1007": "venue_unavailable",
      "-1008": "venue_unavailable",
      "-1016": "venue_unavailable",
    },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find: findByOption, absentCodes: ["-2013"] },
};
