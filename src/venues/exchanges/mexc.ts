import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { asIs, findByOption, type KeyInformation, type KnownExchange } from "./exchange.ts";
import { boundTo, listOf, permissionsOf, type Vocabulary } from "./permissions.ts";

// mexc.com/api-docs/spot-v3: "Query API Key Info", permission enum, error codes, "Query Order".

const vocabulary: Vocabulary = {
  SPOT_ACCOUNT_READ: ["read"],
  SPOT_ACCOUNT_WRITE: [],
  SPOT_DEAL_READ: ["read"],
  SPOT_DEAL_WRITE: ["trade"],
  CONTRACT_ACCOUNT_READ: ["read"],
  CONTRACT_ACCOUNT_WRITE: [],
  CONTRACT_DEAL_READ: ["read"],
  CONTRACT_DEAL_WRITE: ["trade"],
  SPOT_DEPOSIT_READ: ["read"],
  SPOT_DEPOSIT_WRITE: [],
  SPOT_TRANSFER_READ: ["read"],
  SPOT_TRANSFER_R: ["read"],
  SPOT_TRANSFER_WRITE: ["transfer"],
  SPOT_TRANSFER_W: ["transfer"],
  SPOT_WITHDRAW_READ: ["read"],
  SPOT_WITHDRAW_R: ["read"],
  SPOT_WITHDRAW_WRITE: ["withdraw"],
  SPOT_WITHDRAW_W: ["withdraw"],
};

const answer = z.looseObject({
  permissions: z.string(),
  ipWhiteList: z.string().nullish(),
  remainingValidity: z.number().nullish(),
  status: z.literal("VALID"),
});

const dayMs = 86_400_000;

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const { ipWhiteList, remainingValidity } = data;
  const permissions = permissionsOf(vocabulary, listOf(data.permissions), boundTo(listOf(ipWhiteList ?? "")));
  if (permissions === undefined) return undefined;
  // It gives whole days; a key that is bound to an address has no end.
  const days = typeof remainingValidity === "number" && remainingValidity >= 0 ? remainingValidity : null;
  if (days === null) return { permissions, expiresAt: null, account: {} };
  // It gives whole days, so the key may live up to a day longer.
  const earliest = new Date(Date.now() + days * dayMs);
  return { permissions, expiresAt: earliest.toISOString(), expiresWithinMs: dayMs, account: {} };
}

const error = z.looseObject({ code: z.number(), msg: z.string().optional() });

export const mexc: KnownExchange = {
  id: "mexc",
  environments: { live: "live" },
  reports: { permissions: true, boundIps: true, expiry: true, account: false },
  risingNonce: false,
  probes: () => [
    {
      // It must only be read: a POST on this path changes the addresses that the key is bound to.
      request: (fields) => ({
        api: ["spot", "private"],
        path: "apiKeyInfo",
        method: "GET",
        params: { accessKey: fields.get("api_key") ?? "" },
      }),
      read,
    },
  ],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      if (data === undefined || data.code === 0 || data.code === 200) return undefined;
      return { code: String(data.code), ...(data.msg === undefined ? {} : { text: data.msg }) };
    },
    codes: {
      "10072": "bad_key",
      "700001": "bad_key",
      // "Signature for this request is not valid", which is said of keys that have ended as well.
      "700002": "bad_signature",
      "402": "expired",
      // "No authority", and "Not logged in".
      "401": ambiguous("key", "permission"),
      "511": "insufficient_permission",
      "701": "insufficient_permission",
      "702": "insufficient_permission",
      "703": "insufficient_permission",
      "704": "insufficient_permission",
      "700007": "insufficient_permission",
      "406": "ip_not_allowed",
      "700006": "ip_not_allowed",
      "700003": "clock_skew",
      "10073": "clock_skew",
      "429": "rate_limited",
      "500": "venue_unavailable",
    },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find: findByOption, absentCodes: ["-2013"] },
  lifetime: {
    // The page has the days that are left; that they begin at 90 is seen in answers to keys of which the age
    // is known.
    days: 90,
    from: "creation",
    unboundOnly: true,
    may: null,
    source: "https://www.mexc.com/api-docs/spot-v3/spot-account-trade/query-api-key-info",
  },
  requests: { tables: ["mexc"], transferAccounts: ["spot", "swap", "future"] },
};
