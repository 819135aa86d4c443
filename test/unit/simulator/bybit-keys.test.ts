import { bybit } from "ccxt";
import { body, flipHexBit, header, nextDigit } from "./alter.ts";
import { keysSuite } from "./keys-suite.ts";

keysSuite({
  venue: "bybit",
  venueClass: bybit,
  suffices: { trade: false, transfer: true },
  lacks: { transfer: false },
  list: ({ accountNumber }) => [
    "v5/user/sub-apikeys",
    "private",
    "GET",
    { subMemberId: String(accountNumber) },
  ],
  create: ({ accountNumber }, { label, boundIps }) => [
    "v5/user/create-sub-api",
    "private",
    "POST",
    {
      subuid: accountNumber,
      note: label,
      readOnly: 0,
      ips: boundIps.join(","),
      permissions: { ContractTrade: ["Order", "Position"], Spot: ["SpotTrade"] },
    },
  ],
  remove: (_sub, { apiKey }) => ["v5/user/delete-sub-api", "private", "POST", { apikey: apiKey }],
  alter: {
    note: body("kh0rotation", () => "kh0rotatiom"),
    timestamp: header("x-bapi-timestamp", nextDigit),
    signature: header("x-bapi-sign", flipHexBit),
  },
  refusals: {
    lacks: [200, '"retCode":10005'],
    not_main_account: [200, '"retCode":10005'],
    unknown_sub_account: [200, '"retCode":10001'],
    unknown_sub_key: [200, '"retCode":10001'],
    key_limit: [200, "upper limit"],
  },
});
