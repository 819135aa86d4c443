import { gate } from "ccxt";
import { body, flipHexBit, header, nextDigit } from "./alter.ts";
import { keysSuite } from "./keys-suite.ts";

const api = ["private", "subAccounts"];

keysSuite({
  venue: "gate",
  venueClass: gate,
  suffices: {},
  lacks: { trade: false },
  list: ({ accountNumber }) => ["sub_accounts/{user_id}/keys", api, "GET", { user_id: accountNumber }],
  create: ({ accountNumber }, { label, boundIps }) => [
    "sub_accounts/{user_id}/keys",
    api,
    "POST",
    {
      user_id: accountNumber,
      name: label,
      mode: 1,
      perms: [
        { name: "account", read_only: true },
        { name: "spot", read_only: false },
        { name: "wallet", read_only: true },
      ],
      ip_whitelist: boundIps,
    },
  ],
  remove: ({ accountNumber }, { apiKey }) => [
    "sub_accounts/{user_id}/keys/{key}",
    api,
    "DELETE",
    { user_id: accountNumber, key: apiKey },
  ],
  alter: {
    name: body("kh0rotation", () => "kh0rotatiom"),
    timestamp: header("timestamp", nextDigit),
    signature: header("sign", flipHexBit),
  },
  refusals: {
    lacks: [403, '"FORBIDDEN"'],
    not_main_account: [403, '"FORBIDDEN"'],
    unknown_sub_account: [404, '"SUB_ACCOUNT_NOT_FOUND"'],
    unknown_sub_key: [400, '"INVALID_PARAM_VALUE"'],
    key_limit: [400, "reached the limit"],
  },
});
