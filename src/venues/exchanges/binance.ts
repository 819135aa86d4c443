import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { flagOf, grant, grantingNames, unknownPermissions, withdrawal } from "./permissions.ts";
import { asIs, type ExchangeRow, findByOption, type KeyInformation, type Probe } from "./exchange.ts";

// developers.binance.com: wallet "API key permission", spot "Error codes", spot "Account information".

const flag = z.unknown().transform(flagOf).pipe(z.boolean());
const restrictions = z.looseObject({
  ipRestrict: flag,
  createTime: z.number(),
  enableReading: flag,
  enableWithdrawals: flag,
  tradingAuthorityExpirationTime: z.number().optional(),
});

/** Rights that end at `tradingAuthorityExpirationTime`, "expiration time for spot and margin trading permission". The key lives on. */
const endingFlags = new Set(["enableSpotAndMarginTrading", "enableMargin"]);
const tradeFlags = new Set([
  ...endingFlags,
  "enableFutures",
  "enableVanillaOptions",
  "enablePortfolioMarginTrading",
  "enableFixApiTrade",
]);
const transferFlags = new Set(["enableInternalTransfer", "permitsUniversalTransfer"]);
const otherNames = new Set([
  "ipRestrict",
  "createTime",
  "enableReading",
  "enableWithdrawals",
  "enableFixReadOnly",
  "tradingAuthorityExpirationTime",
]);

function readRestrictions(json: unknown): KeyInformation | undefined {
  const { data } = restrictions.safeParse(json);
  if (data === undefined) return undefined;
  const isGiven = (name: string) => flagOf(data[name]) === true;
  const rights = [...tradeFlags, ...transferFlags].filter((name) => name in data);
  if (rights.some((name) => flagOf(data[name]) === undefined)) return undefined;
  const unknownWords = grantingNames(data, (name) => rights.includes(name) || otherNames.has(name));
  const end = data.tradingAuthorityExpirationTime;
  const hasEnded = (name: string) => endingFlags.has(name) && end !== undefined && end <= Date.now();
  return {
    permissions: {
      read: "yes",
      trade: grant([...tradeFlags].some((name) => isGiven(name) && !hasEnded(name))),
      withdraw: withdrawal(data.enableWithdrawals, unknownWords),
      transfer: grant([...transferFlags].some(isGiven)),
      // It tells whether the key is bound, not to which addresses.
      boundIps: data.ipRestrict ? null : [],
      unknownWords,
    },
    expiresAt: null,
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

const futuresAccount = z.looseObject({ assets: z.array(z.unknown()), positions: z.array(z.unknown()) });

/** Demo trading of futures, which has hosts of its own and no wallet API either. */
const futuresAccountOnly = (api: string): Probe => ({
  request: () => ({ api, path: "account", method: "GET" }),
  read: (json) =>
    futuresAccount.safeParse(json).success
      ? { permissions: unknownPermissions, expiresAt: null, account: {} }
      : undefined,
});

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
      // "Invalid API-key, IP, or permissions for action."
      "-2015": ambiguous("key", "permission", "address"),
      // "Not found, authenticated, or authorized."
      "-1099": ambiguous("key", "permission"),
      "-2017": { meaning: "insufficient_permission", hint: "The account's API keys are locked." },
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

/** Futures are traded with the same keys. Their testnet became part of demo trading, so ccxt has no hosts for it. */
const futures = (id: string, api: string): ExchangeRow => ({
  ...binance,
  id,
  environments: { live: "live", paper: "demo" },
  probes: (mode) => [mode === "live" ? keyRestrictions : futuresAccountOnly(api)],
});

export const binanceusdm = futures("binanceusdm", "fapiPrivateV3");
export const binancecoinm = futures("binancecoinm", "dapiPrivate");

/** Its documents (docs.binance.us) lack the call for a key's rights: where it is absent, the account proves the key. */
export const binanceus: ExchangeRow = {
  ...binance,
  id: "binanceus",
  environments: { live: "live" },
  probes: () => [{ ...keyRestrictions, elsewhere: ["HTTP 404"] }, spotAccountOnly],
};
