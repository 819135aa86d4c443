import { z } from "zod";
import { isKind } from "../ccxt/errors.ts";
import { asIs, type Ask, type KeyInformation, type KnownExchange, type Probe } from "./exchange.ts";
import { allPages, demandInheritable, type KeyIssuing } from "./key-issuing.ts";
import { boundTo, listOf, permissionsOf, readOnly, type Vocabulary } from "./permissions.ts";

// bitget.com/api-doc: "Get Account Information" (classic, v2), account information of unified accounts (v3),
// error codes.

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

// bitget.com/api-doc/uta/account: "Get Account Info", and sub-account/SubAccount-API-Create, -Get and
// -Delete. Keys of classic accounts can be made by API (v2) and never deleted, so they are left to a person.

const givable = new Set(["uta_mgt", "uta_trade"]);

const information = z.looseObject({ data: z.looseObject({ userId: z.string() }) });

const page = z.looseObject({
  data: z.looseObject({
    items: z.array(
      z.looseObject({
        apiKey: z.string(),
        note: z.string().nullable(),
        type: z.enum(["read_write", "read_only"]),
        permissions: z.array(z.string()),
        ips: z.array(z.string()).nullable(),
      }),
    ),
    // Documented as text, shown as a truth value.
    hasNext: z.union([z.boolean(), z.enum(["true", "false"])]),
    cursor: z.string().nullish(),
  }),
});

const created = z.looseObject({ data: z.looseObject({ apiKey: z.string(), secret: z.string().min(1) }) });

const issuing: KeyIssuing = {
  environments: ["live"],
  // Documented for classic accounts.
  longestMarker: 20,
  settlesAfterMs: 30_000,
  passphrase: "alphanumeric",
  // "You are in Classic Account mode."
  codes: { "40084": "unsupported" },
  async locate(session) {
    const { data } = information.parse(
      await session.asCurrent({ api: ["private", "uta"], path: "v3/account/info", method: "GET" }),
    );
    return data.userId;
  },
  list: (session, account) =>
    allPages(async (cursor: string | undefined) => {
      const params = { subUid: account, limit: "100", ...(cursor === undefined ? {} : { cursor }) };
      const { data } = page.parse(
        await session.asParent({
          api: ["private", "uta"],
          path: "v3/user/sub-api-list",
          method: "GET",
          params,
        }),
      );
      const items = data.items.map(({ apiKey, note, type, permissions, ips }) => ({
        apiKey,
        marker: note ?? "",
        rights() {
          demandInheritable(permissions, givable);
          return { type, permissions, ips: ips ?? [] };
        },
      }));
      return { items, next: String(data.hasNext) === "true" ? (data.cursor ?? undefined) : undefined };
    }),
  async create(session, { account, like, marker, passphrase }) {
    const params = { subUid: account, note: marker, passphrase, ...like.rights() };
    const { data } = created.parse(
      await session.asParent({
        api: ["private", "uta"],
        path: "v3/user/create-sub-api",
        method: "POST",
        params,
      }),
    );
    return { apiKey: data.apiKey, apiSecret: data.secret };
  },
  async remove(session, _account, { apiKey }) {
    const params = { apiKey };
    await session.asParent({
      api: ["private", "uta"],
      path: "v3/user/delete-sub-api",
      method: "POST",
      params,
    });
  },
};

export const bitget: KnownExchange = {
  id: "bitget",
  environments: { live: "live", paper: "sandbox" },
  reports: { permissions: true, boundIps: true, expiry: false, account: true },
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
  requests: {
    tables: ["bitget"],
    transferAccounts: ["spot", "funding", "cross", "swap", "usdc_swap", "future", "unified"],
  },
  issuing,
};
