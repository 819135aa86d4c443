import { binance } from "ccxt";
import { body, flipHexBit } from "./alter.ts";
import { keysSuite } from "./keys-suite.ts";

const path = "sub-account/subAccountApi";
const emailOf = ({ account }: { account: string }) => `${account}@sub.example`;

keysSuite({
  venue: "binance",
  venueClass: binance,
  suffices: {},
  lacks: { trade: false },
  list: (sub) => [path, "sapi", "GET", { email: emailOf(sub) }],
  create: (sub, { label, boundIps }) => [
    path,
    "sapi",
    "POST",
    {
      email: emailOf(sub),
      apiName: label,
      status: 2,
      ipAddress: boundIps.join(","),
      canTrade: true,
      canMarginLoanRepay: false,
      canFuturesTrade: false,
      canUniversalTransfer: false,
      canVanillaOptions: false,
    },
  ],
  remove: (sub, { apiKey }) => [path, "sapi", "DELETE", { email: emailOf(sub), subAccountApiKey: apiKey }],
  alter: {
    name: body("kh0rotation", () => "kh0rotatiom"),
    timestamp: body(/timestamp=\d+/, (text) =>
      text.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)),
    ),
    signature: body(
      /signature=[\da-f]+/,
      (text) => `signature=${flipHexBit(text.slice("signature=".length))}`,
    ),
  },
  refusals: {
    lacks: [401, '"code":-2015'],
    not_main_account: [400, "not a master account"],
    unknown_sub_account: [400, "sub-account does not exist"],
    unknown_sub_key: [400, "API key does not exist"],
    key_limit: [400, "maximum number limit"],
  },
});
