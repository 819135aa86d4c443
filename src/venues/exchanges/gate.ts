import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { findByOption, type KeyInformation, type KnownExchange, type Probe, sisterOf } from "./exchange.ts";
import { demandInheritable, type KeyIssuing } from "./key-issuing.ts";
import { grant, unknownPermissions, withdrawal } from "./permissions.ts";

// gate.com/docs/developers/apiv4: main account keys, authentication, error labels, spot orders.

const key = z.looseObject({
  key: z.string(),
  user_id: z.union([z.string(), z.number()]).optional(),
  perms: z.array(z.looseObject({ name: z.string(), read_only: z.boolean().optional() })),
  ip_whitelist: z.array(z.string()).nullish(),
});

/** What writing under each name allows. */
const trades = new Set([
  "spot",
  "futures",
  "delivery",
  "options",
  "margin",
  "unified",
  "copy",
  "earn",
  "loan",
]);
const harmless = new Set(["account", "custody"]);

const readKeys: Probe["read"] = (json, fields): KeyInformation | undefined => {
  const { data } = z.array(key).nonempty().safeParse(json);
  if (data === undefined) return undefined;
  // It lists all keys of the main account with their middles masked. A key that is not among them belongs to
  // a sub-account, and of one that two entries fit it is open which one it is: nothing is known of either.
  const own = data.filter((entry) => fitsMask(fields.get("api_key") ?? "", entry.key));
  const [entry] = own;
  if (entry === undefined || own.length > 1) {
    return { permissions: unknownPermissions, expiresAt: null, account: {} };
  }
  if (entry.perms.length === 0) return undefined;
  const writable = entry.perms.filter((perm) => perm.read_only !== true).map(({ name }) => name);
  const unknownWords = writable.filter((name) => !isKnown(name));
  return {
    permissions: {
      read: "yes",
      trade: grant(writable.some((name) => trades.has(name))),
      withdraw: withdrawal(writable.includes("withdraw"), unknownWords),
      transfer: grant(writable.includes("wallet")),
      boundIps: entry.ip_whitelist ?? [],
      unknownWords,
    },
    expiresAt: null,
    account: entry.user_id === undefined ? {} : { id: String(entry.user_id) },
  };
};

const detail = z.looseObject({ user_id: z.number(), ip_whitelist: z.array(z.string()).nullable() });

function readDetail(json: unknown): KeyInformation | undefined {
  const { data } = detail.safeParse(json);
  return (
    data && {
      permissions: { ...unknownPermissions, boundIps: data.ip_whitelist ?? [] },
      expiresAt: null,
      account: { id: String(data.user_id) },
    }
  );
}

const mainKeys: Probe = {
  request: () => ({ api: ["private", "account"], path: "main_keys", method: "GET" }),
  read: readKeys,
  // A sub-account's key may not list the keys of the main account.
  elsewhere: ["FORBIDDEN"],
};

const accountDetail: Probe = {
  request: () => ({ api: ["private", "account"], path: "detail", method: "GET" }),
  read: readDetail,
};

function isKnown(name: string): boolean {
  return trades.has(name) || harmless.has(name) || name === "withdraw" || name === "wallet";
}

/** A mask that shows less fits the keys of others too often to name one. */
const leastShown = 6;

/** Whether `masked`, such as `4f2a****9c1b`, can stand for the whole key. */
function fitsMask(whole: string, masked: string): boolean {
  const [head = "", tail, ...more] = masked.split(/\*+/);
  if (tail === undefined) return whole === masked;
  const shown = head.length + tail.length;
  const isMask = more.length === 0 && shown >= leastShown && shown < whole.length;
  return isMask && whole.startsWith(head) && whole.endsWith(tail);
}

const error = z.looseObject({ label: z.string(), message: z.string().optional() });

// gate.com/docs/developers/apiv4, "SubAccount": list, create and delete the API key pairs of a sub-account.

const givable = new Set([
  "wallet",
  "spot",
  "futures",
  "delivery",
  "earn",
  "custody",
  "options",
  "account",
  "loan",
  "margin",
  "unified",
  "copy",
]);

const keyOwner = z.looseObject({ user_id: z.number() });

const keys = z.array(
  z.looseObject({
    key: z.string(),
    name: z.string().nullish(),
    mode: z.number(),
    perms: z.array(z.looseObject({ name: z.string(), read_only: z.boolean().optional() })),
    ip_whitelist: z.array(z.string()).nullish(),
  }),
);

const created = z.looseObject({ key: z.string(), secret: z.string().min(1) });

const api = ["private", "subAccounts"];

function rightsOf({ mode, perms, ip_whitelist }: z.infer<typeof keys>[number]): object {
  demandInheritable(
    perms.map(({ name }) => name),
    givable,
  );
  return {
    mode,
    perms: perms.map(({ name, read_only = false }) => ({ name, read_only })),
    ip_whitelist: ip_whitelist ?? [],
  };
}

const issuing: KeyIssuing = {
  environments: ["live"],
  // How long a name may be is not documented.
  longestMarker: 20,
  settlesAfterMs: 60_000,
  codes: { SUB_ACCOUNT_NOT_FOUND: "not_a_sub_account" },
  async locate(session) {
    const answer = await session.asCurrent({ api: ["private", "account"], path: "detail", method: "GET" });
    return String(keyOwner.parse(answer).user_id);
  },
  async list(session, account) {
    const params = { user_id: account };
    const answer = await session.asParent({
      api,
      path: "sub_accounts/{user_id}/keys",
      method: "GET",
      params,
    });
    return keys
      .parse(answer)
      .map((key) => ({ apiKey: key.key, marker: key.name ?? "", rights: () => rightsOf(key) }));
  },
  async create(session, { account, like, marker }) {
    const params = { user_id: account, name: marker, ...like.rights() };
    const answer = await session.asParent({
      api,
      path: "sub_accounts/{user_id}/keys",
      method: "POST",
      params,
    });
    const { key, secret } = created.parse(answer);
    return { apiKey: key, apiSecret: secret };
  },
  async remove(session, account, { apiKey }) {
    const params = { user_id: account, key: apiKey };
    await session.asParent({ api, path: "sub_accounts/{user_id}/keys/{key}", method: "DELETE", params });
  },
};

export const gate: KnownExchange = {
  id: "gate",
  environments: { live: "live", testnet: "sandbox" },
  reports: { permissions: true, boundIps: true, expiry: false, account: true },
  risingNonce: false,
  probes: () => [mainKeys, accountDetail],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      return data && { code: data.label, ...(data.message === undefined ? {} : { text: data.message }) };
    },
    codes: {
      INVALID_KEY: "bad_key",
      INVALID_SIGNATURE: "bad_signature",
      AUTHENTICATION_FAILED: ambiguous("key", "secret", "permission", "address"),
      INVALID_CREDENTIALS: "bad_key",
      READ_ONLY: "insufficient_permission",
      FORBIDDEN: "insufficient_permission",
      ACCOUNT_LOCKED: { meaning: "insufficient_permission", hint: "The account is locked." },
      SUB_ACCOUNT_LOCKED: { meaning: "insufficient_permission", hint: "The sub-account is locked." },
      IP_FORBIDDEN: "ip_not_allowed",
      REQUEST_EXPIRED: "clock_skew",
      TOO_MANY_REQUESTS: "rate_limited",
      TOO_BUSY: "venue_unavailable",
      SERVER_ERROR: "venue_unavailable",
    },
  },
  clientOrderIds: {
    option: "clientOrderId",
    // 28 characters after a prefix that ccxt adds.
    format: (clientOrderId) => clientOrderId.slice(0, 28),
    find: findByOption,
    absentCodes: ["ORDER_NOT_FOUND", "CLIENT_ID_NOT_FOUND"],
  },
  lifetime: {
    days: 90,
    from: "creation",
    unboundOnly: true,
    may: null,
    source: "https://www.gate.com/help/guide/faq/17521/how-to-utilize-api",
  },
  requests: { tables: ["gate"], transferAccounts: ["spot", "funding", "swap", "future", "option"] },
  issuing,
};

/** Its testnet would be that of Gate. */
export const gateeu = sisterOf(gate, { id: "gateeu", environments: { live: "live" } });
