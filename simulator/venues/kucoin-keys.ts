import type { Account, Key, KeyPermissions } from "../accounts.ts";
import { type Answer, type KeyReason, ok, Refused } from "../refusal.ts";
import { equal } from "../signing.ts";
import { demandSame, listed, subPermissions } from "../sub-accounts.ts";
import type { Call, Route } from "../venue.ts";

// Sources: kucoin.com/docs-new (add, list and delete sub-account API: api-3470138, api-3470136, api-3470137).
// Their error codes are not documented; those here were chosen.

export const refuse = (status: number, code: string, msg: string): Answer => ({
  status,
  body: { code, msg },
});

export const data = (data: unknown): Answer => ok({ code: "200000", data });

const fitRemark = /^.{1,24}$/;
const fitPassphrase = /^\S{7,32}$/;

const permissionWords = ({ read, trade, withdraw, transfer }: KeyPermissions): readonly string[] => [
  ...(read ? ["General"] : []),
  ...(trade ? ["Spot"] : []),
  ...(transfer ? ["InnerTransfer"] : []),
  // The documented words have no other for money that leaves the account.
  ...(withdraw ? ["Transfer"] : []),
];

function permissionsIn(asked: readonly string[]): KeyPermissions {
  const trade = asked.includes("Spot");
  const permissions = subPermissions({ trade, transfer: asked.includes("InnerTransfer") });
  demandSame(asked, permissionWords(permissions));
  return permissions;
}

export const shownRights = (key: Key) => ({
  permission: [...permissionWords(key.permissions), ...key.extraWords].join(", "),
  ...(key.boundIps.length > 0 && { ipWhitelist: key.boundIps.join(",") }),
});

const showKey = (key: Key) => ({
  subName: key.account.name,
  remark: key.label,
  apiKey: key.apiKey,
  apiVersion: 3,
  ...shownRights(key),
  createdAt: key.createdAtMs,
  uid: key.account.number,
  isMaster: false,
});

const isNamed = (name: string | undefined) => (account: Account) => account.name === name;

function list({ subAccounts, text }: Call): Answer {
  const account = subAccounts.find(isNamed(text("subName")));
  const apiKey = text("apiKey");
  const keys = subAccounts.keysOf(account).filter((key) => (apiKey ?? key.apiKey) === key.apiKey);
  return data(keys.map(showKey));
}

function create({ subAccounts, text }: Call): Answer {
  const account = subAccounts.find(isNamed(text("subName")));
  const [label = "", passphrase = ""] = [text("remark"), text("passphrase")];
  if (!fitRemark.test(label)) throw new Refused("unfit_label");
  if (!fitPassphrase.test(passphrase)) throw new Refused("unfit_passphrase");
  const { key, credentials } = subAccounts.issue(account, {
    label,
    passphrase,
    permissions: permissionsIn(listed(text("permission") ?? "General")),
    boundIps: listed(text("ipWhitelist")),
  });
  return data({ ...showKey(key), apiSecret: credentials.apiSecret, passphrase });
}

function remove({ subAccounts, text }: Call): Answer {
  const [subName, apiKey] = [text("subName"), text("apiKey")];
  const account = subAccounts.find(isNamed(subName));
  const key = subAccounts.keysOf(account).find((listedKey) => listedKey.apiKey === apiKey);
  const isHolder = equal(text("passphrase") ?? "", key?.passphrase ?? "");
  if (key !== undefined && !isHolder) throw new Refused("unfit_passphrase");
  subAccounts.remove(apiKey, isNamed(subName));
  return data({ subName, apiKey });
}

export const keyRefusals: Readonly<Partial<Record<KeyReason, Answer>>> = {
  not_main_account: refuse(403, "400007", "Access denied, require more permission"),
  unknown_sub_account: refuse(400, "400100", "subName not exists"),
  unknown_sub_key: refuse(400, "400100", "apiKey not exists"),
  key_limit: refuse(400, "400100", "The number of sub-account API keys exceeds the limit"),
  unfit_label: refuse(400, "400100", "remark length must be between 1 and 24"),
  unfit_passphrase: refuse(400, "400100", "passphrase error"),
};

export const keyRoutes: readonly Route[] = [
  { method: "GET", path: "/api/v1/sub/api-key", needs: "read", answer: list },
  { method: "POST", path: "/api/v1/sub/api-key", needs: "read", answer: create },
  { method: "DELETE", path: "/api/v1/sub/api-key", needs: "read", answer: remove },
];
