import type { Key, KeyPermissions } from "../accounts.ts";
import { type Answer, type KeyReason, ok, Refused } from "../refusal.ts";
import { asText, isRecord, jsonBody } from "../request.ts";
import { demandSame, listed, pageOf, subPermissions, writes } from "../sub-accounts.ts";
import type { Call, Route } from "../venue.ts";

// Sources: bybit-exchange.github.io/docs/v5/user (create-subuid-apikey, list-sub-apikeys, rm-sub-apikey).
// Codes for a sub-account or a key that does not exist and for too many keys are not documented; those here
// were chosen.

export const refuse = (retCode: number, retMsg: string): Answer =>
  ok({ retCode, retMsg, result: {}, retExtInfo: {} });

export const result = (result: unknown, nowMs: number): Answer =>
  ok({ retCode: 0, retMsg: "OK", result, retExtInfo: {}, time: nowMs });

const defaultLimit = 20;

/** A key that may only read still shows what its words would be, with `readOnly` set. */
export function permissionWords(
  permissions: KeyPermissions,
  { extraWords, isSub }: Readonly<{ extraWords: readonly string[]; isSub: boolean }>,
) {
  const trades = permissions.trade || !writes(permissions);
  const transfers = ["AccountTransfer", isSub ? "SubMemberTransferList" : "SubMemberTransfer"];
  return {
    ContractTrade: trades ? ["Order", "Position"] : [],
    Spot: trades ? ["SpotTrade"] : [],
    Wallet: [...(permissions.transfer ? transfers : []), ...(permissions.withdraw ? ["Withdraw"] : [])],
    Options: [],
    Derivatives: [],
    Exchange: [...extraWords],
    Earn: [],
    Affiliate: [],
  };
}

export const isoSeconds = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

export const shownIps = ({ boundIps }: Key): readonly string[] => (boundIps.length === 0 ? ["*"] : boundIps);

const wordsOf = ({ permissions, extraWords, account }: Key) =>
  permissionWords(permissions, { extraWords, isSub: account.parent !== null });

/**
 * "The API key must have one of the below permissions: Account Transfer, Subaccount Transfer, Withdrawal."
 */
function demandRight({ permissions }: Key): void {
  if (!permissions.transfer && !permissions.withdraw) throw new Refused("insufficient_permission");
}

function permissionsIn(body: Readonly<Record<string, unknown>>): KeyPermissions {
  const { permissions: asked, readOnly } = body;
  if (!isRecord(asked) || (readOnly !== 0 && readOnly !== 1)) throw new Refused("malformed_request");
  const trade = readOnly === 0 && "Spot" in asked;
  const permissions = subPermissions({ trade, transfer: "Wallet" in asked });
  const shown = Object.entries(permissionWords(permissions, { extraWords: [], isSub: true }));
  demandSame(asked, Object.fromEntries(shown.filter(([, words]) => words.length > 0)));
  return permissions;
}

const showKey = (key: Key) => ({
  id: key.id,
  ips: shownIps(key),
  apiKey: key.apiKey,
  note: key.label,
  status: key.boundIps.length === 0 ? 3 : 1,
  expiredAt: isoSeconds(key.expiresAtMs ?? 0),
  createdAt: isoSeconds(key.createdAtMs),
  type: 1,
  permissions: wordsOf(key),
  secret: "******",
  readOnly: !writes(key.permissions),
  deadlineDay: -2,
  flag: "hmac",
});

function list({ subAccounts, text, nowMs }: Call): Answer {
  const account = subAccounts.find(({ number }) => String(number) === text("subMemberId"));
  const limit = Number(text("limit") ?? defaultLimit);
  const { items, next } = pageOf(subAccounts.keysOf(account), limit, text("cursor"));
  return result({ result: items.map(showKey), nextPageCursor: next ?? "" }, nowMs);
}

function create({ key: parentKey, subAccounts, request, nowMs }: Call): Answer {
  demandRight(parentKey);
  const body = jsonBody(request);
  const account = subAccounts.find(({ number }) => number === body["subuid"]);
  const { key, credentials } = subAccounts.issue(account, {
    label: asText(body["note"]) ?? "",
    permissions: permissionsIn(body),
    boundIps: listed(asText(body["ips"])).filter((ip) => ip !== "*"),
  });
  const { id, apiKey, label } = key;
  const readOnly = writes(key.permissions) ? 0 : 1;
  const { apiSecret: secret } = credentials;
  return result({ id, note: label, apiKey, readOnly, secret, permissions: wordsOf(key) }, nowMs);
}

function remove({ key, subAccounts, text, nowMs }: Call): Answer {
  demandRight(key);
  subAccounts.remove(text("apikey"));
  return result({}, nowMs);
}

export const keyRefusals: Readonly<Partial<Record<KeyReason, Answer>>> = {
  not_main_account: refuse(10005, "Permission denied, please check your API key permissions."),
  unknown_sub_account: refuse(10001, "Request parameter error: subuid"),
  unknown_sub_key: refuse(10001, "Request parameter error: apikey"),
  key_limit: refuse(10001, "The number of API keys has reached the upper limit"),
};

export const keyRoutes: readonly Route[] = [
  // "Any permission can access this endpoint. Only master account can call this endpoint."
  { method: "GET", path: "/v5/user/sub-apikeys", needs: "key", answer: list },
  { method: "POST", path: "/v5/user/create-sub-api", needs: "key", answer: create },
  { method: "POST", path: "/v5/user/delete-sub-api", needs: "key", answer: remove },
];
