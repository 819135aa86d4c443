import { z } from "zod";
import {
  allPages,
  type KeyDriver,
  KeyProblem,
  type KeySession,
  type ListedKey,
} from "../exchanges/key-issuing.ts";

// developers.binance.com, "Sub Account": "API management" (Create, Query and Delete Sub-account API Key, Get IP
// Restriction for a Sub-account API Key) and "Query Sub-account List"; for ordinary main accounts, not for brokers
// alone. Spot "Account information" tells a key's account.

const account = z.looseObject({ uid: z.number() });

const subAccounts = z.looseObject({
  subAccounts: z.array(z.looseObject({ subUserId: z.number(), email: z.string() })),
});
const subAccountsPerPage = 200;

const rights = {
  canTrade: z.boolean(),
  canMarginLoanRepay: z.boolean(),
  canFuturesTrade: z.boolean(),
  canUniversalTransfer: z.boolean(),
  canVanillaOptions: z.boolean(),
};

const keys = z.looseObject({
  total: z.number(),
  rows: z.array(z.looseObject({ apiName: z.string(), apikey: z.string(), ...rights })),
});
const keysPerPage = 100;

const restriction = z.looseObject({
  ipRestrict: z.union([z.boolean(), z.enum(["true", "false"])]),
  ipList: z.array(z.string()).nullish(),
});

const created = z.looseObject({ apiKey: z.string(), secretKey: z.string().min(1) });

const subAccountApi = "sub-account/subAccountApi";

/** ccxt leaves the parameters of these calls as they are, and an address may hold a plus sign. */
const inUrl = encodeURIComponent;

async function emailOf(session: KeySession, uid: number): Promise<string> {
  const all = await allPages(async (page: number = 1) => {
    const params = { page, limit: subAccountsPerPage };
    const answer = subAccounts.parse(
      await session.asParent({ api: "sapi", path: "sub-account/list", method: "GET", params }),
    );
    const items = answer.subAccounts;
    return { items, next: items.length < subAccountsPerPage ? undefined : page + 1 };
  });
  const found = all.find(({ subUserId }) => subUserId === uid);
  if (found === undefined) throw new KeyProblem("not_a_sub_account");
  return found.email;
}

async function addressesOf(session: KeySession, email: string, apiKey: string): Promise<object> {
  const params = { email: inUrl(email), subAccountApiKey: apiKey };
  const { ipRestrict, ipList } = restriction.parse(
    await session.asParent({ api: "sapi", path: `${subAccountApi}/ipRestriction`, method: "GET", params }),
  );
  if (String(ipRestrict) === "false") return { status: 1 };
  const addresses = ipList ?? [];
  if (addresses.length === 0) {
    throw new KeyProblem("not_inheritable", { hint: "It is bound to a third party's addresses." });
  }
  return { status: 2, ipAddress: addresses.join(",") };
}

export const binance: KeyDriver = {
  venue: "binance",
  // Testnet and demo have no wallet API.
  environments: ["live"],
  // How long a name may be is not documented.
  longestMarker: 20,
  // ccxt's receive window.
  settlesAfterMs: 10_000,
  blurredCodes: ["-2015"],
  async locate(session) {
    const { uid } = account.parse(
      await session.asCurrent({ api: "private", path: "account", method: "GET" }),
    );
    return emailOf(session, uid);
  },
  list: (session, email) =>
    allPages(async (page: number = 1) => {
      const params = { email: inUrl(email), page, size: keysPerPage };
      const { total, rows } = keys.parse(
        await session.asParent({ api: "sapi", path: subAccountApi, method: "GET", params }),
      );
      const items = rows.map((row): ListedKey => ({
        apiKey: row.apikey,
        marker: row.apiName,
        rights: () => z.object(rights).parse(row),
      }));
      return { items, next: page * keysPerPage >= total ? undefined : page + 1 };
    }),
  async create(session, { account: email, like, marker }) {
    const addresses = await addressesOf(session, email, like.apiKey);
    const params = { email: inUrl(email), apiName: marker, ...like.rights(), ...addresses };
    const { apiKey, secretKey } = created.parse(
      await session.asParent({ api: "sapi", path: subAccountApi, method: "POST", params }),
    );
    return { apiKey, apiSecret: secretKey };
  },
  async remove(session, email, { apiKey }) {
    const params = { email: inUrl(email), subAccountApiKey: apiKey };
    // It answers with an empty object.
    const request = { api: "sapi", path: subAccountApi, method: "DELETE", params };
    await session.asParent(request, { mayBeEmpty: true });
  },
};
