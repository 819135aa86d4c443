import { kucoin } from "ccxt";
import { body, flipBase64Bit, header, nextDigit } from "./alter.ts";
import { keysSuite } from "./keys-suite.ts";

keysSuite({
  venue: "kucoin",
  venueClass: kucoin,
  suffices: { trade: false },
  lacks: { read: false },
  list: ({ account }) => ["sub/api-key", "private", "GET", { subName: account }],
  create: ({ account }, { label, passphrase, boundIps }) => [
    "sub/api-key",
    "private",
    "POST",
    {
      subName: account,
      remark: label,
      passphrase,
      permission: "General,Spot",
      ipWhitelist: boundIps.join(","),
    },
  ],
  remove: ({ account }, { apiKey, passphrase }) => [
    "sub/api-key",
    "private",
    "DELETE",
    { subName: account, apiKey, passphrase },
  ],
  alter: {
    remark: body("kh0rotation", () => "kh0rotatiom"),
    timestamp: header("kc-api-timestamp", nextDigit),
    signature: header("kc-api-sign", flipBase64Bit),
  },
  refusals: {
    lacks: [403, '"400007"'],
    not_main_account: [403, '"400007"'],
    unknown_sub_account: [400, "subName not exists"],
    unknown_sub_key: [400, "apiKey not exists"],
    key_limit: [400, "exceeds the limit"],
  },
});
