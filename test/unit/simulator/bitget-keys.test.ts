import { bitget } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipBase64Bit, header, nextDigit } from "./alter.ts";
import { clientOf } from "./client.ts";
import { keysSuite } from "./keys-suite.ts";

const api = ["private", "uta"];

keysSuite({
  venue: "bitget",
  venueClass: bitget,
  suffices: {},
  lacks: { trade: false },
  list: ({ accountNumber }) => ["v3/user/sub-api-list", api, "GET", { subUid: String(accountNumber) }],
  create: ({ accountNumber }, { label, passphrase, boundIps }) => [
    "v3/user/create-sub-api",
    api,
    "POST",
    {
      subUid: String(accountNumber),
      note: label,
      type: "read_write",
      passphrase,
      permissions: ["uta_mgt", "uta_trade"],
      ips: boundIps,
    },
  ],
  remove: (_sub, { apiKey }) => ["v3/user/delete-sub-api", api, "POST", { apiKey }],
  alter: {
    note: body("kh0rotation", () => "kh0rotatiom"),
    timestamp: header("access-timestamp", nextDigit),
    signature: header("access-sign", flipBase64Bit),
  },
  refusals: {
    lacks: [403, '"40014"'],
    not_main_account: [403, '"40014"'],
    unknown_sub_account: [400, "subaccount does not exist"],
    unknown_sub_key: [400, '"400172"'],
    key_limit: [400, "reached the limit"],
  },
});

describe("bitget", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const create = async (params: Readonly<Record<string, unknown>> = {}) => {
    const main = simulator.control.addKey("bitget", { account: "main" });
    const { number } = simulator.control.account("bitget", "desk01");
    return clientOf(bitget, simulator, main).exchange.request("v3/user/create-sub-api", api, "POST", {
      subUid: String(number),
      note: "kh0rotation",
      type: "read_only",
      passphrase: "Kh1passphrase",
      permissions: ["uta_mgt"],
      ips: [],
      ...params,
    });
  };
  const setModes = (main: boolean, sub: boolean) => {
    simulator.control.setAccount("bitget", "main", { unified: main });
    simulator.control.setAccount("bitget", "desk01", { parent: "main", unified: sub });
  };

  test("manages keys of unified accounts only", async () => {
    setModes(false, true);
    await expect(create()).rejects.toThrow("40084");
    setModes(true, false);
    await expect(create()).rejects.toThrow("34015");
    setModes(true, true);
    expect(await create()).toMatchObject({ code: "00000" });
  });

  test.each([
    ["a note that begins with a digit", { note: "0rotation" }],
    ["a note of more than 20 characters", { note: "a".repeat(21) }],
    ["a passphrase without a digit", { passphrase: "passphrase" }],
    ["a passphrase with a special character", { passphrase: "Kh1passphrase!" }],
    ["a right that is not given", { permissions: ["uta_mgt", "withdraw"] }],
    ["rights to write for a key that reads", { permissions: ["uta_mgt", "uta_trade"] }],
    ["no list of addresses", { ips: undefined }],
  ])("refuses %s", async (_name, params) => {
    setModes(true, true);
    await expect(create(params)).rejects.toThrow("400172");
    expect(simulator.control.keys("bitget", "desk01")).toHaveLength(0);
  });
});
