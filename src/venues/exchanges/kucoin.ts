import { z } from "zod";
import { boundTo, listOf, permissionsOf, type Vocabulary } from "./permissions.ts";
import { asIs, type ExchangeRow, type KeyInformation } from "./exchange.ts";

// kucoin.com/docs-new: "Get Apikey Info", "Get Order By ClientOid", error codes.

/** The documents call it Transfer and the site Withdrawal: both are taken for the right to withdraw. */
const vocabulary: Vocabulary = {
  General: ["read"],
  Spot: ["trade"],
  Margin: ["trade"],
  Futures: ["trade"],
  Earn: ["trade"],
  InnerTransfer: ["transfer"],
  Transfer: ["withdraw", "transfer"],
  Withdrawal: ["withdraw"],
};

const answer = z.looseObject({
  data: z.looseObject({
    permission: z.string(),
    ipWhitelist: z.string().nullish(),
    uid: z.union([z.string(), z.number()]),
    isMaster: z.boolean().optional(),
  }),
});

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const { permission, ipWhitelist, uid, isMaster } = data.data;
  const boundIps = typeof ipWhitelist === "string" ? boundTo(listOf(ipWhitelist)) : null;
  const permissions = permissionsOf(vocabulary, listOf(permission), boundIps);
  if (permissions === undefined) return undefined;
  return {
    permissions,
    expiresAt: null,
    account: {
      id: String(uid),
      ...(isMaster === undefined ? {} : { type: isMaster ? "master" : "sub" }),
    },
  };
}

const error = z.looseObject({ code: z.string(), msg: z.string().optional() });

export const kucoin: ExchangeRow = {
  id: "kucoin",
  environments: { live: "live" },
  tells: { permissions: true, boundIps: true, expiry: false, account: true },
  risingNonce: false,
  probes: () => [{ request: () => ({ api: "private", path: "user/api-key", method: "GET" }), read }],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      if (data === undefined || data.code === "200000") return undefined;
      return { code: data.code, ...(data.msg === undefined ? {} : { text: data.msg }) };
    },
    complete: (json) => "code" in json && "data" in json,
    codes: {
      "400003": "bad_key",
      "400004": "bad_passphrase",
      "400005": "bad_signature",
      "400006": "ip_not_allowed",
      "400007": "insufficient_permission",
      // Identity verification, which KuCoin demands by region.
      "400303": { meaning: "insufficient_permission", hint: "The account's identity is not verified." },
      "411100": { meaning: "insufficient_permission", hint: "The account is frozen." },
      "400002": "clock_skew",
      "429000": "rate_limited",
      "500000": "venue_unavailable",
      // A header was missing, which is no fault of the key.
      "400001": "unexpected_answer",
    },
  },
  // Its high-frequency API is the one that is documented for all accounts.
  options: { hf: true },
  clientOrderIds: {
    option: "clientOid",
    format: asIs,
    find: (ask, { clientOrderId, symbol }) => ask("fetchOrder", "", symbol, { clientOid: clientOrderId }),
    absentCodes: ["400100"],
  },
};
