import { z } from "zod";
import { boundTo, permissionsOf, type Vocabulary } from "../permissions.ts";
import { type Ask, asIs, type ExchangeRow, type KeyInformation } from "../row.ts";

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
  const { readOnly, permissions, ips, expiredAt, userID } = data.result;
  const words = Object.values(permissions).flatMap((group) => group ?? []);
  const granted = permissionsOf(vocabulary, words, boundTo(ips));
  if (granted === undefined) return undefined;
  // A read-only key lists the words of what it may look at. Only its word for withdrawal is taken at its worst.
  const limits = readOnly === 1 ? ({ trade: "no", transfer: "no" } as const) : {};
  return {
    permissions: { ...granted, ...limits },
    expiresAt: endOf(expiredAt),
    account: { id: String(userID) },
  };
}

/** A key without an end has the epoch as its end. */
function endOf(expiredAt: string | undefined): string | null {
  const end = Date.parse(expiredAt ?? "");
  return end > 0 ? new Date(end).toISOString() : null;
}

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
  probes: () => [{ request: () => ({ api: "private", path: "v5/user/query-api", method: "GET" }), read }],
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
      "10007": "bad_key",
      "33004": "expired",
      "-2015": {
        meaning: "bad_key",
        hint: "Bybit does not say whether the key, the address or a permission is at fault.",
        addresses: true,
      },
      "10005": "insufficient_permission",
      "10008": { meaning: "insufficient_permission", hint: "The account is suspended." },
      "10009": { meaning: "ip_not_allowed", hint: "The address has been banned." },
      "10010": "ip_not_allowed",
      "10002": "clock_skew",
      "10006": "rate_limited",
      "10018": "rate_limited",
      "10000": "venue_unavailable",
      "10016": "venue_unavailable",
    },
    // Too many requests from one address; a blocked region gets it as well, and neither says a thing of the key.
    statuses: { 403: "rate_limited" },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find, absentCodes: [] },
};
