import type { Account, Key, KeyPermissions } from "../accounts.ts";
import { type Answer, type KeyReason, ok, Refused } from "../refusal.ts";
import { asText, jsonBody } from "../request.ts";
import { demandSame, isTexts, pageOf, subPermissions, writes } from "../sub-accounts.ts";
import type { Call, PrivateRoute, Route } from "../venue.ts";

// Sources: bitget.com/api-doc/uta/account/sub-account (SubAccount-API-Create, SubAccount-API-Get,
// SubAccount-API-Delete). Their error codes are not documented; those here were chosen.

export const refuse = (status: number, code: string, msg: string): Answer => ({
  status,
  body: { code, msg, requestTime: 0, data: null },
});

export const success = (data: unknown): Answer => ok({ code: "00000", msg: "success", requestTime: 0, data });

const wrongMode = {
  classic: refuse(400, "40084", "You are in Classic Account mode"),
  unified: refuse(400, "40085", "You are in Unified Account mode"),
} as const;

/** The classic and the unified interface each refuse the other kind of account. */
export const inMode =
  (mode: keyof typeof wrongMode, answer: PrivateRoute["answer"]): PrivateRoute["answer"] =>
  (call) => {
    const actual = call.account.unified ? "unified" : "classic";
    if (actual !== mode) throw new Refused("unknown_path", wrongMode[actual]);
    return answer(call);
  };

const defaultLimit = 100;
const fitNote = /^[A-Za-z][\w-]{0,19}$/;
const fitPassphrase = /^(?=.*\d)(?=.*[A-Za-z])[A-Za-z\d]{8,32}$/;

export const unifiedWords = ({ trade, withdraw, transfer }: KeyPermissions): readonly string[] => [
  "uta_mgt",
  ...(trade ? ["uta_trade"] : []),
  ...(transfer ? ["transfer"] : []),
  ...(withdraw ? ["withdraw"] : []),
];

const showKey = (key: Key) => ({
  apiKey: key.apiKey,
  note: key.label,
  type: writes(key.permissions) ? "read_write" : "read_only",
  permissions: [...unifiedWords(key.permissions), ...key.extraWords],
  ips: key.boundIps,
});

function termsIn(body: Readonly<Record<string, unknown>>) {
  const { type, permissions: asked, ips } = body;
  if (!isTexts(asked) || !isTexts(ips)) throw new Refused("malformed_request");
  const permissions = subPermissions({ trade: asked.includes("uta_trade"), transfer: false });
  demandSame(asked, unifiedWords(permissions));
  demandSame(type, writes(permissions) ? "read_write" : "read_only");
  return { permissions, boundIps: ips };
}

/** "Unified account management read and write permissions are required." */
function demandManagement({ permissions }: Key): void {
  if (!writes(permissions)) throw new Refused("insufficient_permission");
}

const isUnified =
  (uid: string | undefined) =>
  ({ number, unified }: Account): boolean =>
    unified && String(number) === uid;

function list({ subAccounts, text }: Call): Answer {
  const account = subAccounts.find(isUnified(text("subUid")));
  const limit = Number(text("limit") ?? defaultLimit);
  const { items, next } = pageOf(subAccounts.keysOf(account), limit, text("cursor"));
  const shown = items.map((key) => ({ ...showKey(key), ts: String(key.createdAtMs) }));
  return success({ items: shown, hasNext: next !== undefined, cursor: next ?? "" });
}

function create({ key: parentKey, subAccounts, request }: Call): Answer {
  demandManagement(parentKey);
  const body = jsonBody(request);
  const account = subAccounts.find(isUnified(asText(body["subUid"])));
  const [label = "", passphrase = ""] = [asText(body["note"]), asText(body["passphrase"])];
  if (!fitNote.test(label)) throw new Refused("unfit_label");
  if (!fitPassphrase.test(passphrase)) throw new Refused("unfit_passphrase");
  const { key, credentials } = subAccounts.issue(account, { label, passphrase, ...termsIn(body) });
  return success({ ...showKey(key), secret: credentials.apiSecret });
}

function remove({ key, subAccounts, text }: Call): Answer {
  demandManagement(key);
  subAccounts.remove(text("apiKey"), ({ unified }) => unified);
  return success({});
}

export const keyRefusals: Readonly<Partial<Record<KeyReason, Answer>>> = {
  not_main_account: refuse(403, "40014", "Incorrect permissions"),
  unknown_sub_account: refuse(400, "34015", "subaccount does not exist"),
  unknown_sub_key: refuse(400, "400172", "Parameter verification failed"),
  key_limit: refuse(400, "400172", "The number of API keys has reached the limit"),
  unfit_label: refuse(400, "400172", "Parameter verification failed"),
  unfit_passphrase: refuse(400, "400172", "Parameter verification failed"),
};

export const keyRoutes: readonly Route[] = [
  { method: "GET", path: "/api/v3/user/sub-api-list", needs: "read", answer: inMode("unified", list) },
  { method: "POST", path: "/api/v3/user/create-sub-api", needs: "key", answer: inMode("unified", create) },
  { method: "POST", path: "/api/v3/user/delete-sub-api", needs: "key", answer: inMode("unified", remove) },
];
