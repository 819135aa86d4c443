import { z } from "zod";
import { ambiguous } from "../interpret.ts";
import { asIs, findByOption, type KeyInformation, type KnownExchange, sisterOf } from "./exchange.ts";
import { allPages, demandInheritable, type KeyIssuing, KeyProblem } from "./key-issuing.ts";
import { listOf, permissionsOf } from "./permissions.ts";

// okx.com/docs-v5: "Get account configuration", "API key creation", error codes, "Order details".

const answer = z.looseObject({
  data: z.tuple([z.looseObject({ uid: z.string(), perm: z.string().min(1), ip: z.string() })]),
});

function read(json: unknown): KeyInformation | undefined {
  const { data } = answer.safeParse(json);
  if (data === undefined) return undefined;
  const [{ uid, perm, ip }] = data.data;
  // Moving funds between own accounts goes with the right to trade.
  const vocabulary = { read_only: ["read"], trade: ["trade", "transfer"], withdraw: ["withdraw"] } as const;
  const permissions = permissionsOf(vocabulary, listOf(perm), listOf(ip));
  if (permissions === undefined) return undefined;
  return {
    permissions,
    expiresAt: null,
    account: { id: uid },
  };
}

const error = z.looseObject({
  code: z.string(),
  msg: z.string().optional(),
  data: z.array(z.looseObject({ sCode: z.string().optional(), sMsg: z.string().optional() })).optional(),
});

// okx.com/docs-v5, "Sub-account": sub-account list; create, query and delete the API key of a sub-account;
// error codes 59500 to 59508.

const givable = new Set(["read_only", "trade"]);

const configuration = z.looseObject({
  data: z.tuple([z.looseObject({ uid: z.string(), mainUid: z.string() })]),
});

const subAccounts = z.looseObject({
  data: z.array(z.looseObject({ subAcct: z.string(), uid: z.string(), ts: z.string() })),
});
const subAccountsPerPage = 100;

const keys = z.looseObject({
  data: z.array(z.looseObject({ apiKey: z.string(), label: z.string(), perm: z.string(), ip: z.string() })),
});

const created = z.looseObject({
  data: z.tuple([z.looseObject({ apiKey: z.string(), secretKey: z.string().min(1) })]),
});

function rightsOf({ perm, ip }: Readonly<{ perm: string; ip: string }>): object {
  const words = listOf(perm);
  demandInheritable(words, givable);
  return { perm: words.join(","), ...(ip === "" ? {} : { ip }) };
}

const issuing: KeyIssuing = {
  // Demo trading has no sub-accounts.
  environments: ["live"],
  // How long a note may be is not documented.
  longestMarker: 20,
  settlesAfterMs: 30_000,
  passphrase: "special",
  codes: {
    // Only keys of the main account may manage keys.
    "59500": "parent_lacks_permission",
    // "Only 50 APIKeys can be created per account."
    "59501": "limit_reached",
  },
  async locate(session) {
    const config = await session.asCurrent({ api: "private", path: "account/config", method: "GET" });
    const [{ uid, mainUid }] = configuration.parse(config).data;
    if (uid === mainUid) throw new KeyProblem("not_a_sub_account");
    // Keys are managed by the sub-account's name, which the venue shows to its main account only.
    const all = await allPages(async (after: string | undefined) => {
      const params = { limit: String(subAccountsPerPage), ...(after === undefined ? {} : { after }) };
      const { data } = subAccounts.parse(
        await session.asParent({ api: "private", path: "users/subaccount/list", method: "GET", params }),
      );
      return { items: data, next: data.length < subAccountsPerPage ? undefined : data.at(-1)?.ts };
    });
    const found = all.find((account) => account.uid === uid);
    if (found === undefined) throw new KeyProblem("not_a_sub_account");
    return found.subAcct;
  },
  async list(session, account) {
    const params = { subAcct: account };
    const { data } = keys.parse(
      await session.asParent({ api: "private", path: "users/subaccount/apikey", method: "GET", params }),
    );
    return data.map((key) => ({ apiKey: key.apiKey, marker: key.label, rights: () => rightsOf(key) }));
  },
  async create(session, { account, like, marker, passphrase }) {
    const params = { subAcct: account, label: marker, passphrase, ...like.rights() };
    const [{ apiKey, secretKey }] = created.parse(
      await session.asParent({ api: "private", path: "users/subaccount/apikey", method: "POST", params }),
    ).data;
    return { apiKey, apiSecret: secretKey };
  },
  async remove(session, account, { apiKey }) {
    const params = { subAcct: account, apiKey };
    await session.asParent({
      api: "private",
      path: "users/subaccount/delete-apikey",
      method: "POST",
      params,
    });
  },
};

export const okx: KnownExchange = {
  id: "okx",
  environments: { live: "live", paper: "sandbox" },
  reports: { permissions: true, boundIps: true, expiry: false, account: true },
  risingNonce: false,
  probes: () => [{ request: () => ({ api: "private", path: "account/config", method: "GET" }), read }],
  dialect: {
    error(json) {
      const { data } = error.safeParse(json);
      if (data === undefined || data.code === "0") return undefined;
      // An action's own reason stands inside, under a general "all operations failed".
      const [part] = data.data ?? [];
      const text = part?.sMsg ?? data.msg;
      return { code: part?.sCode ?? data.code, ...(text === undefined ? {} : { text }) };
    },
    complete: (json) => "code" in json && "data" in json && Array.isArray(json.data),
    codes: {
      "50111": "bad_key",
      "50119": "bad_key",
      "50113": "bad_signature",
      "50105": "bad_passphrase",
      // "Invalid authorization."
      "50114": ambiguous("key", "secret", "permission"),
      "50101": "wrong_environment",
      "50030": "insufficient_permission",
      "50035": {
        meaning: "insufficient_permission",
        hint: "This call needs a key that is bound to an address.",
      },
      "50007": { meaning: "insufficient_permission", hint: "The account is blocked." },
      "50027": { meaning: "insufficient_permission", hint: "The account is restricted from trading." },
      "50100": { meaning: "insufficient_permission", hint: "The account's access to the API is frozen." },
      "50120": "insufficient_permission",
      "50110": "ip_not_allowed",
      "50102": "clock_skew",
      "50112": "clock_skew",
      "50011": "rate_limited",
      "50061": "rate_limited",
      "50001": "venue_unavailable",
      "50004": "venue_unavailable",
      "50013": "venue_unavailable",
      "50026": "venue_unavailable",
      "50121": "blocked",
    },
  },
  clientOrderIds: { option: "clientOrderId", format: asIs, find: findByOption, absentCodes: ["51603"] },
  lifetime: {
    days: 14,
    from: "last_use",
    unboundOnly: true,
    may: ["trade", "withdraw"],
    source: "https://www.okx.com/docs-v5/en/#overview-api-key-creation",
  },
  marksTag: true,
  requests: {
    tables: ["okx"],
    transferAccounts: ["funding", "trading", "spot", "margin", "swap", "future", "option"],
  },
  issuing,
};

export const myokx = sisterOf(okx, { id: "myokx" });
export const okxus = sisterOf(okx, { id: "okxus" });
