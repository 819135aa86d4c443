import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { boundTo, permissionsOf, readOnly, unknownPermissions, type Vocabulary } from "./permissions.ts";
import { type Ask, asIs, type ExchangeRow, type KeyInformation, type Probe } from "./exchange.ts";

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
  // "Demo trading are not supported": the list of what demo trading offers ("Demo Trading Service") has no such call.
  elsewhere: ["10032"],
};

const wallet = z.looseObject({
  result: z.looseObject({ list: z.array(z.looseObject({ accountType: z.string() })) }),
});

/** The wallet is read whatever is in it. Nothing tells what a key of demo trading may do. */
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

export const bybit: ExchangeRow = {
  id: "bybit",
  environments: { live: "live", testnet: "sandbox", paper: "demo" },
  tells: { permissions: true, boundIps: true, expiry: true, account: true },
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
      // The documents call it the end of the key; its own words are "Invalid API-key, IP, or permissions for action."
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
    // "Need to use the correct key to access; need to put authentication params in the request header." Those are always there.
    statuses: { 401: ambiguous("key", "secret", "environment") },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find, absentCodes: [] },
};
