import type { Account, Key } from "../accounts.ts";
import { type Answer, type KeyReason, ok, Refused } from "../refusal.ts";
import { demandSame, listed, subPermissions } from "../sub-accounts.ts";
import type { Call, Route } from "../venue.ts";

// Sources: developers.binance.com, "Sub Account" (Query Sub-account List; API management: Create, Query and
// Delete Sub-account API Key, Get IP Restriction). Their error codes are not documented; those here were
// chosen.

export const refuse = (status: number, code: number, msg: string): Answer => ({
  status,
  body: { code, msg },
});

const rights = [
  "canTrade",
  "canMarginLoanRepay",
  "canFuturesTrade",
  "canUniversalTransfer",
  "canVanillaOptions",
] as const;

const shownRights = ({ permissions }: Pick<Key, "permissions">) => ({
  canTrade: permissions.trade,
  canMarginLoanRepay: false,
  canFuturesTrade: false,
  canUniversalTransfer: permissions.transfer,
  canVanillaOptions: false,
});

const emailOf = ({ name }: Account): string => `${name}@sub.example`;
const hasEmail = (email: string | undefined) => (account: Account) => emailOf(account) === email;

const showAccount = (account: Account) => ({
  subUserId: account.number,
  email: emailOf(account),
  remark: "",
  isFreeze: false,
  createTime: account.createdAtMs,
  isManagedSubAccount: false,
  isAssetManagementSubAccount: false,
});

const showKey = (key: Key) => ({
  email: emailOf(key.account),
  apiName: key.label,
  apikey: key.apiKey,
  ...shownRights(key),
  timestamp: key.createdAtMs,
});

function page<T>(items: readonly T[], text: Call["text"], sizeName: string, usual: number): readonly T[] {
  const size = Number(text(sizeName) ?? usual);
  const from = (Number(text("page") ?? 1) - 1) * size;
  return items.slice(from, from + size);
}

function termsIn(text: Call["text"]) {
  const asked = Object.fromEntries(rights.map((name) => [name, text(name) === "true"]));
  const trade = asked["canTrade"] === true;
  const permissions = subPermissions({ trade, transfer: asked["canUniversalTransfer"] === true });
  demandSame(asked, shownRights({ permissions }));
  const boundIps = listed(text("ipAddress"));
  // 1: unrestricted, 2: restricted to the addresses.
  demandSame(text("status"), boundIps.length === 0 ? "1" : "2");
  return { permissions, boundIps };
}

function listAccounts({ subAccounts, text }: Call): Answer {
  return ok({ subAccounts: page(subAccounts.all, text, "limit", 10).map(showAccount) });
}

function listKeys({ subAccounts, text }: Call): Answer {
  const apiKey = text("subAccountApiKey");
  const keys = subAccounts
    .keysOf(subAccounts.find(hasEmail(text("email"))))
    .filter((key) => (apiKey ?? key.apiKey) === key.apiKey);
  return ok({ total: keys.length, rows: page(keys, text, "size", 30).map(showKey) });
}

function ipRestriction({ subAccounts, text }: Call): Answer {
  const key = subAccounts
    .keysOf(subAccounts.find(hasEmail(text("email"))))
    .find(({ apiKey }) => apiKey === text("subAccountApiKey"));
  if (key === undefined) throw new Refused("unknown_sub_key");
  const { apiKey, boundIps, createdAtMs } = key;
  return ok({ ipRestrict: String(boundIps.length > 0), ipList: boundIps, updateTime: createdAtMs, apiKey });
}

function createKey({ subAccounts, text }: Call): Answer {
  const account = subAccounts.find(hasEmail(text("email")));
  const label = text("apiName") ?? "";
  if (label === "") throw new Refused("unfit_label");
  const { key, credentials } = subAccounts.issue(account, { label, ...termsIn(text) });
  const { apiKey, boundIps } = key;
  const status = boundIps.length === 0 ? 1 : 2;
  const secretKey = credentials.apiSecret;
  return ok({ apiName: label, apiKey, secretKey, ...shownRights(key), status, ipList: boundIps });
}

function removeKey({ subAccounts, text }: Call): Answer {
  subAccounts.remove(text("subAccountApiKey"), hasEmail(text("email")));
  return ok({});
}

const live = { hosts: ["live"] } as const;
const keys = "/sapi/v1/sub-account/subAccountApi";

export const keyRefusals: Readonly<Partial<Record<KeyReason, Answer>>> = {
  not_main_account: refuse(400, -9000, "This account is not a master account."),
  unknown_sub_account: refuse(400, -9000, "The sub-account does not exist."),
  unknown_sub_key: refuse(400, -9000, "The sub-account API key does not exist."),
  key_limit: refuse(400, -9000, "The number of API keys exceeds the maximum number limit."),
  unfit_label: refuse(
    400,
    -1102,
    "Mandatory parameter 'apiName' was not sent, was empty/null, or malformed.",
  ),
};

export const keyRoutes: readonly Route[] = [
  { ...live, method: "GET", path: "/sapi/v1/sub-account/list", needs: "read", answer: listAccounts },
  { ...live, method: "GET", path: keys, needs: "read", answer: listKeys },
  { ...live, method: "GET", path: `${keys}/ipRestriction`, needs: "read", answer: ipRestriction },
  { ...live, method: "POST", path: keys, needs: "trade", answer: createKey },
  { ...live, method: "DELETE", path: keys, needs: "trade", answer: removeKey },
];
