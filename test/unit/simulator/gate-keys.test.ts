import { gate } from "ccxt";
import { expect, test } from "vitest";
import { startSimulator } from "../../../simulator/simulator.ts";
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

test("a key that gate is told in the path is not in the request log", async () => {
  const simulator = await startSimulator();
  const apiKey = "0123456789abcdef";
  const path = "/api/v4/sub_accounts/1/keys";
  await fetch(`${simulator.url("gate")}${path}/${apiKey}`, { method: "DELETE" });
  expect(simulator.control.requests().map((request) => request.path)).toEqual([`${path}/:key`]);
  expect(simulator.control.countRequests({ method: "DELETE", path })).toBe(1);
  await simulator.close();
});
