import { z } from "zod";
import { boundTo } from "../exchanges/permissions.ts";
import {
  allPages,
  demandInheritable,
  type KeyDriver,
  KeyProblem,
  type ListedKey,
} from "../exchanges/key-issuing.ts";

// bybit-exchange.github.io/docs/v5/user: apikey-info, list-sub-apikeys, create-subuid-apikey, rm-sub-apikey.

/**
 * What a key of a sub-account can be given. `DerivativesTrade` is not asked for: the venue adds it by itself,
 * depending on the kind of account (modify-sub-apikey).
 */
const givable = new Set([
  "Order",
  "Position",
  "SpotTrade",
  "OptionsTrade",
  "AccountTransfer",
  "SubMemberTransferList",
  "ExchangeHistory",
  "Earn",
]);
const addedByVenue = "DerivativesTrade";

const keyInformation = z.looseObject({
  result: z.looseObject({ userID: z.union([z.string(), z.number()]), isMaster: z.boolean() }),
});

const listedKey = z.looseObject({
  apiKey: z.string(),
  note: z.string(),
  ips: z.array(z.string()).nullish(),
  // Documented as a truth value here and as a number in every other call.
  readOnly: z.union([z.boolean(), z.literal(0), z.literal(1)]),
  permissions: z.record(z.string(), z.array(z.string()).nullable()),
});

const page = z.looseObject({
  result: z.looseObject({ result: z.array(listedKey), nextPageCursor: z.string().nullish() }),
});

const created = z.looseObject({ result: z.looseObject({ apiKey: z.string(), secret: z.string().min(1) }) });

function rightsOf({ ips, readOnly, permissions }: z.infer<typeof listedKey>): object {
  const groups = Object.entries(permissions)
    .map(([group, words]) => [group, (words ?? []).filter((word) => word !== addedByVenue)] as const)
    .filter(([, words]) => words.length > 0);
  for (const [, words] of groups) demandInheritable(words, givable);
  const addresses = boundTo(ips ?? []);
  return {
    readOnly: readOnly === true || readOnly === 1 ? 1 : 0,
    permissions: Object.fromEntries(groups),
    ...(addresses.length === 0 ? {} : { ips: addresses.join(",") }),
  };
}

export const bybit: KeyDriver = {
  venue: "bybit",
  environments: ["live", "testnet"],
  // How long a note may be is not documented.
  longestMarker: 20,
  // ccxt's receive window.
  settlesAfterMs: 5000,
  async locate(session) {
    const { result } = keyInformation.parse(
      await session.asCurrent({ api: "private", path: "v5/user/query-api", method: "GET" }),
    );
    if (result.isMaster) throw new KeyProblem("not_a_sub_account");
    return String(result.userID);
  },
  list: (session, account) =>
    allPages(async (cursor: string | undefined) => {
      const params = { subMemberId: account, limit: "20", ...(cursor === undefined ? {} : { cursor }) };
      const { result } = page.parse(
        await session.asParent({ api: "private", path: "v5/user/sub-apikeys", method: "GET", params }),
      );
      const items = result.result.map((key): ListedKey => ({
        apiKey: key.apiKey,
        marker: key.note,
        rights: () => rightsOf(key),
      }));
      return { items, next: result.nextPageCursor === "" ? undefined : (result.nextPageCursor ?? undefined) };
    }),
  async create(session, { account, like, marker }) {
    const params = { subuid: Number(account), note: marker, ...like.rights() };
    const { result } = created.parse(
      await session.asParent({ api: "private", path: "v5/user/create-sub-api", method: "POST", params }),
    );
    return { apiKey: result.apiKey, apiSecret: result.secret };
  },
  async remove(session, _account, { apiKey }) {
    const params = { apikey: apiKey };
    await session.asParent({ api: "private", path: "v5/user/delete-sub-api", method: "POST", params });
  },
};
