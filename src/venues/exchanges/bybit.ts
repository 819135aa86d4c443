import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { asIs, type Ask, type KeyInformation, type KnownExchange, type Probe, sisterOf } from "./exchange.ts";
import { allPages, demandInheritable, type KeyIssuing, KeyProblem, type ListedKey } from "./key-issuing.ts";
import { boundTo, permissionsOf, readOnly, unknownPermissions, type Vocabulary } from "./permissions.ts";

// bybit-exchange.github.io/docs/v5: "Get API Key Information", error codes, "Get Open & Closed Orders".

/** P2P, Bybit Pay and fiat conversion can move funds out, so their words are left to count as unknown. */
const vocabulary: Vocabulary = {
  Order: ["trade"],
  Position: ["trade"],
  SpotTrade: ["trade"],
  OptionsTrade: ["trade"],
  DerivativesTrade: ["trade"],
  BlockTrade: ["trade"],
  CopyTrading: ["trade"],
  ExchangeHistory: [],
  Affiliate: [],
  NFTQueryProductList: [],
  Earn: ["trade"],
  AccountTransfer: ["transfer"],
  SubMemberTransfer: ["transfer"],
  SubMemberTransferList: ["transfer"],
  Withdraw: ["withdraw"],
};

const answer = z.looseObject({
  result: z.looseObject({
    // "0: Read and Write. 1: Read only"
    readOnly: z.union([z.literal(0), z.literal(1)]),
    permissions: z.record(z.string(), z.array(z.string()).nullable()),
    ips: z.array(z.string()),
    expiredAt: z.string().optional(),
    userID: z.union([z.string(), z.number()]),
  }),
});

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const { permissions, ips, expiredAt, userID } = data.result;
  const words = Object.values(permissions).flatMap((group) => group ?? []);
  const granted = permissionsOf(vocabulary, words, boundTo(ips));
  if (granted === undefined) return undefined;
  return {
    permissions: data.result.readOnly === 1 ? readOnly(granted) : granted,
    expiresAt: endOf(expiredAt),
    account: { id: String(userID) },
  };
}

/** A key without an end has the epoch as its end. */
function endOf(expiredAt: string | undefined): string | null {
  const end = Date.parse(expiredAt ?? "");
  return end > 0 ? new Date(end).toISOString() : null;
}

const keyInformation: Probe = {
  request: () => ({ api: "private", path: "v5/user/query-api", method: "GET" }),
  read,
  // "Demo trading are not supported": the list of what demo trading offers ("Demo Trading Service") has no
  // such call.
  elsewhere: ["10032"],
};

const wallet = z.looseObject({
  result: z.looseObject({ list: z.array(z.looseObject({ accountType: z.string() })) }),
});

/** Any wallet proves the key. No call shows what a key of demo trading may do. */
const walletBalance: Probe = {
  request: () => ({
    api: "private",
    path: "v5/account/wallet-balance",
    method: "GET",
    params: { accountType: "UNIFIED" },
  }),
  read(json) {
    const { data } = wallet.safeParse(json);
    return data && { permissions: unknownPermissions, expiresAt: null, account: {} };
  },
};

const error = z.looseObject({ retCode: z.number(), retMsg: z.string().optional() });

const orders = z.looseObject({ result: z.looseObject({ list: z.array(z.looseObject({})) }) });

const marketFacts = z.looseObject({ id: z.string(), type: z.string(), inverse: z.boolean().nullish() });

/** The live list holds open orders and the last 500 closed ones, the history the rest. */
async function find(ask: Ask, { clientOrderId, symbol }: { clientOrderId: string; symbol: string }) {
  const market = marketFacts.parse(await ask("market", symbol));
  const { id, type, inverse } = market;
  const category = type === "spot" || type === "option" ? type : inverse === true ? "inverse" : "linear";
  const query = { category, symbol: id, orderLinkId: clientOrderId };
  for (const list of ["privateGetV5OrderRealtime", "privateGetV5OrderHistory"]) {
    const [found] = orders.parse(await ask(list, query)).result.list;
    if (found !== undefined) return ask("parseOrder", found, market);
  }
  return null;
}

// bybit-exchange.github.io/docs/v5/user: apikey-info, list-sub-apikeys, create-subuid-apikey, rm-sub-apikey.

/**
 * What a key of a sub-account can be given. `DerivativesTrade` is not asked for: the venue adds it by itself,
 * depending on the kind of account (modify-sub-apikey).
 */
const givable = new Set([
  "Order",
  "Position",
  "SpotTrade",
  "OptionsTrade",
  "AccountTransfer",
  "SubMemberTransferList",
  "ExchangeHistory",
  "Earn",
]);
const addedByVenue = "DerivativesTrade";

const keyOwner = z.looseObject({
  result: z.looseObject({ userID: z.union([z.string(), z.number()]), isMaster: z.boolean() }),
});

const listedKey = z.looseObject({
  apiKey: z.string(),
  note: z.string(),
  ips: z.array(z.string()).nullish(),
  // Documented as a truth value here and as a number in every other call.
  readOnly: z.union([z.boolean(), z.literal(0), z.literal(1)]),
  permissions: z.record(z.string(), z.array(z.string()).nullable()),
});

const page = z.looseObject({
  result: z.looseObject({ result: z.array(listedKey), nextPageCursor: z.string().nullish() }),
});

const created = z.looseObject({ result: z.looseObject({ apiKey: z.string(), secret: z.string().min(1) }) });

function rightsOf({ ips, readOnly, permissions }: z.infer<typeof listedKey>): object {
  const groups = Object.entries(permissions)
    .map(([group, words]) => [group, (words ?? []).filter((word) => word !== addedByVenue)] as const)
    .filter(([, words]) => words.length > 0);
  for (const [, words] of groups) demandInheritable(words, givable);
  const addresses = boundTo(ips ?? []);
  return {
    readOnly: readOnly === true || readOnly === 1 ? 1 : 0,
    permissions: Object.fromEntries(groups),
    ...(addresses.length === 0 ? {} : { ips: addresses.join(",") }),
  };
}

const issuing: KeyIssuing = {
  environments: ["live", "testnet"],
  // How long a note may be is not documented.
  longestMarker: 20,
  // ccxt's receive window.
  settlesAfterMs: 5000,
  async locate(session) {
    const { result } = keyOwner.parse(
      await session.asCurrent({ api: "private", path: "v5/user/query-api", method: "GET" }),
    );
    if (result.isMaster) throw new KeyProblem("not_a_sub_account");
    return String(result.userID);
  },
  list: (session, account) =>
    allPages(async (cursor: string | undefined) => {
      const params = { subMemberId: account, limit: "20", ...(cursor === undefined ? {} : { cursor }) };
      const { result } = page.parse(
        await session.asParent({ api: "private", path: "v5/user/sub-apikeys", method: "GET", params }),
      );
      const items = result.result.map((key): ListedKey => ({
        apiKey: key.apiKey,
        marker: key.note,
        rights: () => rightsOf(key),
      }));
      return { items, next: result.nextPageCursor === "" ? undefined : (result.nextPageCursor ?? undefined) };
    }),
  async create(session, { account, like, marker }) {
    const params = { subuid: Number(account), note: marker, ...like.rights() };
    const { result } = created.parse(
      await session.asParent({ api: "private", path: "v5/user/create-sub-api", method: "POST", params }),
    );
    return { apiKey: result.apiKey, apiSecret: result.secret };
  },
  async remove(session, _account, { apiKey }) {
    const params = { apikey: apiKey };
    await session.asParent({ api: "private", path: "v5/user/delete-sub-api", method: "POST", params });
  },
};

export const bybit: KnownExchange = {
  id: "bybit",
  environments: { live: "live", testnet: "sandbox", paper: "demo" },
  reports: { permissions: true, boundIps: true, expiry: true, account: true },
  risingNonce: false,
  probes: (mode) => (mode === "demo" ? [keyInformation, walletBalance] : [keyInformation]),
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      if (data === undefined || data.retCode === 0) return undefined;
      return { code: String(data.retCode), ...(data.retMsg === undefined ? {} : { text: data.retMsg }) };
    },
    complete: (json) => "retCode" in json && "result" in json,
    codes: {
      "10003": "bad_key",
      "10004": "bad_signature",
      // "User authentication failed", of whatever it is.
      "10007": ambiguous("key", "secret", "permission"),
      "33004": "expired",
      // The documents call it the end of the key; its own words are "Invalid API-key, IP, or permissions for
      // action."
      "-2015": ambiguous("key", "permission", "address"),
      "10005": "insufficient_permission",
      "10008": { meaning: "insufficient_permission", hint: "The account is suspended." },
      "10009": { meaning: "ip_not_allowed", hint: "The address has been banned." },
      "10010": "ip_not_allowed",
      // "Compliance rules triggered."
      "10024": "blocked",
      "10002": "clock_skew",
      "10006": "rate_limited",
      "10018": "rate_limited",
      "10000": "venue_unavailable",
      "10016": "venue_unavailable",
    },
    // "Need to use the correct key to access; need to put authentication params in the request header." Those
    // are always there.
    statuses: { 401: ambiguous("key", "secret", "environment") },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find, absentCodes: [] },
  fields: { api_secret: { keys: { RSA: "PKCS#8 in PEM" } } },
  lifetime: {
    days: 90,
    from: "creation",
    unboundOnly: true,
    may: null,
    // A change of the account's password ends such a key within 7 days, which the venue alone can know.
    source: "https://bybit-exchange.github.io/docs/v5/user/create-subuid-apikey",
  },
  requests: {
    tables: ["bybit"],
    transferAccounts: ["spot", "funding", "unified", "contract", "swap", "future", "option", "investment"],
  },
  issuing,
};

export const bybiteu = sisterOf(bybit, { id: "bybiteu" });
export const bybitid = sisterOf(bybit, { id: "bybitid" });
