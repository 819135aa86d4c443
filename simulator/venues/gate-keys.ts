import type { Account, Key, KeyPermissions } from "../accounts.ts";
import { type Answer, type KeyReason, ok, Refused } from "../refusal.ts";
import { asText, isRecord, jsonBody } from "../request.ts";
import { demandSame, isTexts, subPermissions, writes } from "../sub-accounts.ts";
import type { Call, Route } from "../venue.ts";

// Sources: gate.com/docs/developers/apiv4, "SubAccount". Which right it takes, and the labels for a key that
// does not exist and for too many, are not documented: here it is any right to write, and those labels were
// chosen.

export const refuse = (status: number, label: string, message: string): Answer => ({
  status,
  body: { label, message },
});

function permissionWords({ read, trade, withdraw, transfer }: KeyPermissions) {
  const word = (name: string, isWritten: boolean) =>
    read || isWritten ? [{ name, read_only: !isWritten }] : [];
  return [
    ...word("account", false),
    ...word("spot", trade),
    ...word("wallet", transfer),
    ...(withdraw ? [{ name: "withdraw", read_only: false }] : []),
  ];
}

export const shownWords = ({ permissions, extraWords }: Key) => [
  ...permissionWords(permissions),
  ...extraWords.map((name) => ({ name, read_only: false })),
];

const seconds = (ms: number): number => Math.floor(ms / 1000);

const showKey = (key: Key) => ({
  state: 1,
  name: key.label,
  user_id: key.account.number,
  perms: shownWords(key),
  mode: 1,
  ip_whitelist: key.boundIps,
  key: key.apiKey,
  created_at: seconds(key.createdAtMs),
  updated_at: seconds(key.createdAtMs),
});

function termsIn({ perms, ip_whitelist, mode }: Readonly<Record<string, unknown>>) {
  if (!Array.isArray(perms) || !perms.every(isRecord) || !isTexts(ip_whitelist) || mode !== 1) {
    throw new Refused("malformed_request");
  }
  const isWritten = (name: string) => perms.some((perm) => perm["name"] === name && !perm["read_only"]);
  const permissions = subPermissions({ trade: isWritten("spot"), transfer: isWritten("wallet") });
  demandSame(perms, permissionWords(permissions));
  return { permissions, boundIps: ip_whitelist };
}

function demandRight({ permissions }: Key): void {
  if (!writes(permissions)) throw new Refused("insufficient_permission");
}

const isNumbered = (id: string | undefined) => (account: Account) => String(account.number) === id;

const list = ({ subAccounts, text }: Call): Answer =>
  ok(subAccounts.keysOf(subAccounts.find(isNumbered(text("user_id")))).map(showKey));
function create({ key: parentKey, subAccounts, request, text }: Call): Answer {
  demandRight(parentKey);
  const account = subAccounts.find(isNumbered(text("user_id")));
  const body = jsonBody(request);
  const label = asText(body["name"]) ?? "";
  const { key, credentials } = subAccounts.issue(account, { label, ...termsIn(body) });
  return ok({ ...showKey(key), secret: credentials.apiSecret });
}

function remove({ key, subAccounts, text }: Call): Answer {
  demandRight(key);
  subAccounts.remove(text("key"), isNumbered(text("user_id")));
  return { status: 204 };
}

const base = "/api/v4/sub_accounts/:user_id/keys";

export const keyRefusals: Readonly<Partial<Record<KeyReason, Answer>>> = {
  not_main_account: refuse(403, "FORBIDDEN", "Key has no permission to access this endpoint"),
  unknown_sub_account: refuse(404, "SUB_ACCOUNT_NOT_FOUND", "Sub account not found"),
  unknown_sub_key: refuse(400, "INVALID_PARAM_VALUE", "Invalid parameter: key"),
  key_limit: refuse(400, "INVALID_PARAM_VALUE", "The number of keys has reached the limit"),
};

export const keyRoutes: readonly Route[] = [
  { method: "GET", path: base, needs: "read", answer: list },
  { method: "POST", path: base, needs: "read", answer: create },
  { method: "DELETE", path: `${base}/:key`, needs: "read", answer: remove },
];
