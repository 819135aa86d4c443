import { z } from "zod";
import { isKind } from "../ccxt/errors.ts";
import { boundTo, listOf, permissionsOf, readOnly, type Vocabulary } from "./permissions.ts";
import { type Ask, asIs, type ExchangeRow, type KeyInformation, type Probe } from "./exchange.ts";

// bitget.com/api-doc: "Get Account Information" (classic, v2), account information of unified accounts (v3), error codes.

/** Codes end in r for reading and w for writing. */
const vocabulary: Vocabulary = {
  coor: ["read"],
  cpor: ["read"],
  stor: ["read"],
  smor: ["read"],
  ttor: ["read"],
  wtor: ["read"],
  coow: ["read", "trade"],
  cpow: ["read", "trade"],
  stow: ["read", "trade"],
  smow: ["read", "trade"],
  ttow: ["read", "transfer"],
  wwow: ["read", "withdraw"],
};

const classicAnswer = z.looseObject({
  data: z.looseObject({ userId: z.string(), ips: z.string().nullable(), authorities: z.array(z.string()) }),
});

const classic: Probe = {
  request: () => ({ api: ["private", "spot"], path: "v2/spot/account/info", method: "GET" }),
  read(json): KeyInformation | undefined {
    const { data } = classicAnswer.safeParse(json);
    if (data === undefined) return undefined;
    const { userId, ips, authorities } = data.data;
    const permissions = permissionsOf(vocabulary, authorities, boundTo(listOf(ips ?? "")));
    if (permissions === undefined) return undefined;
    return {
      permissions,
      expiresAt: null,
      account: { id: userId, type: "classic" },
    };
  },
  // The account is in unified mode, which has a call of its own.
  elsewhere: ["40085"],
};

const unifiedVocabulary: Vocabulary = {
  uta_trade: ["trade"],
  uta_mgt: ["transfer"],
  transfer: ["transfer"],
  withdraw: ["withdraw"],
};

const unifiedAnswer = z.looseObject({
  data: z.looseObject({
    userId: z.string(),
    ips: z.string().nullable(),
    permType: z.string(),
    permissions: z.array(z.string()),
  }),
});

const unified: Probe = {
  request: () => ({ api: ["private", "uta"], path: "v3/account/info", method: "GET" }),
  read(json): KeyInformation | undefined {
    const { data } = unifiedAnswer.safeParse(json);
    if (data === undefined) return undefined;
    const { userId, ips, permType, permissions } = data.data;
    const granted = permissionsOf(unifiedVocabulary, permissions, boundTo(listOf(ips ?? "")));
    if (granted === undefined) return undefined;
    // Sources spell it with a hyphen and with an underscore.
    const isReadOnly = permType.replaceAll("_", "-") === "read-only";
    return {
      permissions: isReadOnly ? readOnly(granted) : granted,
      expiresAt: null,
      account: { id: userId, type: "unified" },
    };
  },
};

const error = z.looseObject({ code: z.string(), msg: z.string().optional() });

/** It answers an unknown client order id with an empty list, on which ccxt throws. */
async function find(ask: Ask, { clientOrderId, symbol }: { clientOrderId: string; symbol: string }) {
  try {
    return await ask("fetchOrder", undefined, symbol, { clientOrderId });
  } catch (error) {
    if (isKind(error, "OrderNotFound")) return null;
    throw error;
  }
}

export const bitget: ExchangeRow = {
  id: "bitget",
  environments: { live: "live", paper: "sandbox" },
  tells: { permissions: true, boundIps: true, expiry: false, account: true },
  risingNonce: false,
  probes: () => [classic, unified],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      if (data === undefined || data.code === "00000") return undefined;
      return { code: data.code, ...(data.msg === undefined ? {} : { text: data.msg }) };
    },
    complete: (json) => "code" in json && "data" in json,
    codes: {
      "40006": "bad_key",
      "40037": "bad_key",
      "40009": "bad_signature",
      // "apikey/password is incorrect"
      "40012": { meaning: "bad_passphrase", hint: "Or the API key is." },
      "40036": "bad_passphrase",
      "40099": "wrong_environment",
      "40014": "insufficient_permission",
      "40031": { meaning: "insufficient_permission", hint: "The account was closed." },
      "40013": { meaning: "insufficient_permission", hint: "The account is suspended." },
      "40018": "ip_not_allowed",
      "40038": "ip_not_allowed",
      "40005": "clock_skew",
      "40008": "clock_skew",
      "429": "rate_limited",
      "40015": "venue_unavailable",
      "40725": "venue_unavailable",
    },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find, absentCodes: ["40109", "43001"] },
};
