import type { Account, Key, KeyPermissions } from "../accounts.ts";
import { type Answer, type KeyReason, ok, Refused } from "../refusal.ts";
import { demandSame, listed, subPermissions } from "../sub-accounts.ts";
import type { Call, Route } from "../venue.ts";

// Sources: okx.com/docs-v5, "Sub-account" (sub-account list; create, query and delete the API key of a
// sub-account) and its error codes.

export const refuse = (status: number, code: string, msg: string): Answer => ({
  status,
  body: { code, msg, data: [] },
});

export const data = (...data: readonly unknown[]): Answer => ok({ code: "0", msg: "", data });

const defaultLimit = 100;
const fitPassphrase = /^(?=.*\d)(?=.*[A-Z])(?=.*[a-z])(?=.*[^A-Za-z\d]).{8,32}$/;

export const permissionWords = ({ read, trade, withdraw }: KeyPermissions): readonly string[] => [
  ...(read ? ["read_only"] : []),
  ...(trade ? ["trade"] : []),
  ...(withdraw ? ["withdraw"] : []),
];

function permissionsIn(asked: readonly string[]): KeyPermissions {
  const permissions = subPermissions({ trade: asked.includes("trade"), transfer: false });
  demandSame(asked, permissionWords(permissions));
  return permissions;
}

const showKey = (key: Key) => ({
  label: key.label,
  apiKey: key.apiKey,
  perm: [...permissionWords(key.permissions), ...key.extraWords].join(","),
  ip: key.boundIps.join(","),
  ts: String(key.createdAtMs),
});

const showAccount = ({ name, number, createdAtMs }: Account) => ({
  type: "1",
  enable: true,
  subAcct: name,
  uid: String(number),
  label: name,
  mobile: "",
  gAuth: false,
  frozenFunc: [],
  canTransOut: false,
  // The times of accounts made in one millisecond differ, as pages are counted by them.
  ts: String(createdAtMs * 1000 + number),
});

const isNamed = (name: string | undefined) => (account: Account) => account.name === name;

/** "Applies to master accounts only and master accounts API Key must be linked to IP addresses." */
function demandBound({ boundIps }: Key): void {
  if (boundIps.length === 0) throw new Refused("needs_bound_key");
}

function listAccounts({ subAccounts, text }: Call): Answer {
  const newestFirst = subAccounts.all.map(showAccount).toReversed();
  const after = text("after");
  const older = newestFirst.filter(({ ts }) => after === undefined || BigInt(ts) < BigInt(after));
  return data(...older.slice(0, Number(text("limit") ?? defaultLimit)));
}

function list({ subAccounts, text }: Call): Answer {
  const account = subAccounts.find(isNamed(text("subAcct")));
  return data(...subAccounts.keysOf(account).map(showKey));
}

function create({ key: parentKey, subAccounts, text }: Call): Answer {
  demandBound(parentKey);
  const account = subAccounts.find(isNamed(text("subAcct")));
  const [label = "", passphrase = ""] = [text("label"), text("passphrase")];
  if (!fitPassphrase.test(passphrase)) throw new Refused("unfit_passphrase");
  const isTaken = subAccounts.keysOf(account).some((key) => key.label === label);
  if (isTaken) throw new Refused("label_taken");
  const { key, credentials } = subAccounts.issue(account, {
    label,
    passphrase,
    permissions: permissionsIn(listed(text("perm"))),
    boundIps: listed(text("ip")),
  });
  const { apiSecret: secretKey } = credentials;
  return data({ subAcct: account.name, secretKey, passphrase, ...showKey(key) });
}

function remove({ key, subAccounts, text }: Call): Answer {
  demandBound(key);
  subAccounts.remove(text("apiKey"), isNamed(text("subAcct")));
  return data({ subAcct: text("subAcct") });
}

export const keyRefusals: Readonly<Partial<Record<KeyReason, Answer>>> = {
  not_main_account: refuse(400, "59500", "Only the APIKey of the main account has permission"),
  needs_bound_key: refuse(400, "50035", "This endpoint requires that APIKey must be bound to IP"),
  unknown_sub_account: refuse(400, "58115", "Sub-account does not exist"),
  unknown_sub_key: refuse(400, "59506", "APIKey does not exist"),
  key_limit: refuse(400, "59501", "Only 50 APIKeys can be created per account"),
  label_taken: refuse(
    400,
    "59502",
    "Note name cannot be duplicate with the currently created APIKey note name",
  ),
  unfit_passphrase: refuse(400, "59505", "The passphrase format is incorrect"),
};

export const keyRoutes: readonly Route[] = [
  { method: "GET", path: "/api/v5/users/subaccount/list", needs: "read", answer: listAccounts },
  { method: "GET", path: "/api/v5/users/subaccount/apikey", needs: "read", answer: list },
  { method: "POST", path: "/api/v5/users/subaccount/apikey", needs: "trade", answer: create },
  { method: "POST", path: "/api/v5/users/subaccount/delete-apikey", needs: "trade", answer: remove },
];
