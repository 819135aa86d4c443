import { z } from "zod";
import { asIs, type KeyInformation, type KnownExchange, sisterOf } from "./exchange.ts";
import { demandInheritable, type KeyIssuing, KeyProblem } from "./key-issuing.ts";
import { boundTo, listOf, permissionsOf, type Vocabulary } from "./permissions.ts";

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

// kucoin.com/docs-new: "Get Apikey Info", "Add sub-account API" (api-3470138), "Get sub-account API List"
// (api-3470136), "Delete sub-account API" (api-3470137).

const givable = new Set(["General", "Spot", "Margin", "Futures", "InnerTransfer"]);

const information = z.looseObject({
  data: z.looseObject({ isMaster: z.boolean(), subName: z.string().optional() }),
});

const keys = z.looseObject({
  data: z.array(
    z.looseObject({
      apiKey: z.string(),
      remark: z.string(),
      permission: z.string(),
      ipWhitelist: z.string().nullish(),
    }),
  ),
});

const created = z.looseObject({
  data: z.looseObject({ apiKey: z.string(), apiSecret: z.string().min(1) }),
});

function rightsOf(key: z.infer<typeof keys>["data"][number]): object {
  const words = listOf(key.permission);
  demandInheritable(words, givable);
  const addresses = listOf(key.ipWhitelist ?? "");
  return {
    permission: words.join(","),
    ...(addresses.length === 0 ? {} : { ipWhitelist: addresses.join(",") }),
  };
}

const issuing: KeyIssuing = {
  environments: ["live"],
  longestMarker: 24,
  settlesAfterMs: 5000,
  passphrase: "alphanumeric",
  async locate(session) {
    const { data } = information.parse(
      await session.asCurrent({ api: "private", path: "user/api-key", method: "GET" }),
    );
    if (data.isMaster || data.subName === undefined) throw new KeyProblem("not_a_sub_account");
    return data.subName;
  },
  async list(session, account) {
    const params = { subName: account };
    const { data } = keys.parse(
      await session.asParent({ api: "private", path: "sub/api-key", method: "GET", params }),
    );
    return data.map((key) => ({ apiKey: key.apiKey, marker: key.remark, rights: () => rightsOf(key) }));
  },
  async create(session, { account, like, marker, passphrase }) {
    const params = { subName: account, passphrase, remark: marker, ...like.rights() };
    const { data } = created.parse(
      await session.asParent({ api: "private", path: "sub/api-key", method: "POST", params }),
    );
    return { apiKey: data.apiKey, apiSecret: data.apiSecret };
  },
  async remove(session, account, { apiKey, passphrase }) {
    if (passphrase === undefined) {
      throw new KeyProblem("malformed", { hint: "A key is deleted with its passphrase, which is missing." });
    }
    const params = { subName: account, apiKey, passphrase };
    // A passphrase that a person chose may hold any character. Signed is what is not yet encoded (Kucoin's
    // own SDK).
    const request = { api: "private", path: "sub/api-key", method: "DELETE", params };
    await session.asParent(request, { encodeQuery: true });
  },
};

export const kucoin: KnownExchange = {
  id: "kucoin",
  environments: { live: "live" },
  reports: { permissions: true, boundIps: true, expiry: false, account: true },
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
  lifetime: {
    days: 30,
    from: "last_use",
    unboundOnly: true,
    may: ["trade"],
    source: "https://www.kucoin.com/support/360015102174",
  },
  requests: {
    tables: ["kucoin"],
    transferAccounts: ["spot", "main", "funding", "margin", "swap", "future", "contract", "hf", "unified"],
  },
  issuing,
};

/** Its `transfer` takes the money from the futures account, whatever account is named. */
export const kucoinfutures = sisterOf(kucoin, {
  id: "kucoinfutures",
  requests: { tables: ["kucoin"], transferAccounts: null },
});
