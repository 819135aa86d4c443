import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import {
  asIs,
  findByOption,
  type KeyInformation,
  type KnownExchange,
  type Probe,
  sisterOf,
} from "./exchange.ts";
import { allPages, type KeyIssuing, KeyProblem, type KeySession, type ListedKey } from "./key-issuing.ts";
import { flagOf, grant, grantingNames, unknownPermissions, withdrawal } from "./permissions.ts";

// developers.binance.com: wallet "API key permission", spot "Error codes", spot "Account information".

const flag = z.unknown().transform(flagOf).pipe(z.boolean());
const restrictions = z.looseObject({
  ipRestrict: flag,
  createTime: z.number(),
  enableReading: flag,
  enableWithdrawals: flag,
  tradingAuthorityExpirationTime: z.number().optional(),
});

/**
 * Rights that end at `tradingAuthorityExpirationTime`, "expiration time for spot and margin trading
 * permission". The key lives on.
 */
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
      // It shows whether the key is bound, not to which addresses.
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
  // `canTrade` and `canWithdraw` are about the account, not the key.
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

// developers.binance.com, "Sub Account": "API management" (Create, Query and Delete Sub-account API Key, Get
// IP Restriction for a Sub-account API Key) and "Query Sub-account List"; for ordinary main accounts, not for
// brokers alone. Spot "Account information" shows a key's account.

const account = z.looseObject({ uid: z.number() });

const subAccounts = z.looseObject({
  subAccounts: z.array(z.looseObject({ subUserId: z.number(), email: z.string() })),
});
const subAccountsPerPage = 200;

const rights = {
  canTrade: z.boolean(),
  canMarginLoanRepay: z.boolean(),
  canFuturesTrade: z.boolean(),
  canUniversalTransfer: z.boolean(),
  canVanillaOptions: z.boolean(),
};

const keys = z.looseObject({
  total: z.number(),
  rows: z.array(z.looseObject({ apiName: z.string(), apikey: z.string(), ...rights })),
});
const keysPerPage = 100;

const addressRestriction = z.looseObject({
  ipRestrict: z.union([z.boolean(), z.enum(["true", "false"])]),
  ipList: z.array(z.string()).nullish(),
});

const created = z.looseObject({ apiKey: z.string(), secretKey: z.string().min(1) });

const subAccountApi = "sub-account/subAccountApi";

/** ccxt leaves the parameters of these calls as they are, and an address may hold a plus sign. */
const inUrl = encodeURIComponent;

async function emailOf(session: KeySession, uid: number): Promise<string> {
  const all = await allPages(async (page: number = 1) => {
    const params = { page, limit: subAccountsPerPage };
    const answer = subAccounts.parse(
      await session.asParent({ api: "sapi", path: "sub-account/list", method: "GET", params }),
    );
    const items = answer.subAccounts;
    return { items, next: items.length < subAccountsPerPage ? undefined : page + 1 };
  });
  const found = all.find(({ subUserId }) => subUserId === uid);
  if (found === undefined) throw new KeyProblem("not_a_sub_account");
  return found.email;
}

async function addressesOf(session: KeySession, email: string, apiKey: string): Promise<object> {
  const params = { email: inUrl(email), subAccountApiKey: apiKey };
  const { ipRestrict, ipList } = addressRestriction.parse(
    await session.asParent({ api: "sapi", path: `${subAccountApi}/ipRestriction`, method: "GET", params }),
  );
  if (String(ipRestrict) === "false") return { status: 1 };
  const addresses = ipList ?? [];
  if (addresses.length === 0) {
    throw new KeyProblem("not_inheritable", { hint: "It is bound to a third party's addresses." });
  }
  return { status: 2, ipAddress: addresses.join(",") };
}

const issuing: KeyIssuing = {
  // Testnet and demo have no wallet API.
  environments: ["live"],
  // How long a name may be is not documented.
  longestMarker: 20,
  // ccxt's receive window.
  settlesAfterMs: 10_000,
  blurredCodes: ["-2015"],
  async locate(session) {
    const { uid } = account.parse(
      await session.asCurrent({ api: "private", path: "account", method: "GET" }),
    );
    return emailOf(session, uid);
  },
  list: (session, email) =>
    allPages(async (page: number = 1) => {
      const params = { email: inUrl(email), page, size: keysPerPage };
      const { total, rows } = keys.parse(
        await session.asParent({ api: "sapi", path: subAccountApi, method: "GET", params }),
      );
      const items = rows.map((row): ListedKey => ({
        apiKey: row.apikey,
        marker: row.apiName,
        rights: () => z.object(rights).parse(row),
      }));
      return { items, next: page * keysPerPage >= total ? undefined : page + 1 };
    }),
  async create(session, { account: email, like, marker }) {
    const addresses = await addressesOf(session, email, like.apiKey);
    const params = { email: inUrl(email), apiName: marker, ...like.rights(), ...addresses };
    const { apiKey, secretKey } = created.parse(
      await session.asParent({ api: "sapi", path: subAccountApi, method: "POST", params }),
    );
    return { apiKey, apiSecret: secretKey };
  },
  async remove(session, email, { apiKey }) {
    const params = { email: inUrl(email), subAccountApiKey: apiKey };
    // It answers with an empty object.
    const request = { api: "sapi", path: subAccountApi, method: "DELETE", params };
    await session.asParent(request, { mayBeEmpty: true });
  },
};

export const binance: KnownExchange = {
  id: "binance",
  environments: { live: "live", testnet: "sandbox", paper: "demo" },
  reports: { permissions: true, boundIps: false, expiry: false, account: false },
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
  fields: { api_secret: { keys: { Ed25519: "PKCS#8 in PEM", RSA: "PKCS#8 in PEM" } } },
  requests: {
    tables: ["binance"],
    transferAccounts: [
      "spot",
      "funding",
      "margin",
      "swap",
      "linear",
      "future",
      "inverse",
      "delivery",
      "option",
    ],
  },
  issuing,
};

/**
 * Futures are traded with the same keys. Their testnet became part of demo trading, so ccxt has no hosts for
 * it.
 */
const futures = (id: string, api: string): KnownExchange =>
  sisterOf(binance, {
    id,
    environments: { live: "live", paper: "demo" },
    probes: (mode) => [mode === "live" ? keyRestrictions : futuresAccountOnly(api)],
  });

export const binanceusdm = futures("binanceusdm", "fapiPrivateV3");
export const binancecoinm = futures("binancecoinm", "dapiPrivate");

/**
 * Its documents (docs.binance.us) lack the call for a key's rights: where it is absent, the account proves
 * the key.
 */
export const binanceus = sisterOf(binance, {
  id: "binanceus",
  environments: { live: "live" },
  probes: () => [{ ...keyRestrictions, elsewhere: ["HTTP 404"] }, spotAccountOnly],
  // It has one account, and ccxt's `transfer` asks Binance's API for wallets, which it lacks.
  requests: { tables: ["binance", "binanceus"], transferAccounts: null },
});
