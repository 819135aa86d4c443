import { okx } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import { body, flipBase64Bit, header } from "./alter.ts";
import { clientOf } from "./client.ts";
import { keysSuite } from "./keys-suite.ts";

keysSuite({
  venue: "okx",
  venueClass: okx,
  suffices: {},
  lacks: { trade: false },
  list: ({ account }) => ["users/subaccount/apikey", "private", "GET", { subAcct: account }],
  create: ({ account }, { label, passphrase, boundIps }) => [
    "users/subaccount/apikey",
    "private",
    "POST",
    {
      subAcct: account,
      label,
      passphrase: `${passphrase}!`,
      perm: "read_only,trade",
      ip: boundIps.join(","),
    },
  ],
  remove: ({ account }, { apiKey }) => [
    "users/subaccount/delete-apikey",
    "private",
    "POST",
    { subAcct: account, apiKey },
  ],
  alter: {
    label: body("kh0rotation", () => "kh0rotatiom"),
    time: header("ok-access-timestamp", (text) =>
      text.replace(/\d(?=Z)/, (digit) => String((Number(digit) + 1) % 10)),
    ),
    signature: header("ok-access-sign", flipBase64Bit),
  },
  refusals: {
    lacks: [401, '"50120"'],
    not_main_account: [400, '"59500"'],
    unknown_sub_account: [400, '"58115"'],
    unknown_sub_key: [400, '"59506"'],
    key_limit: [400, '"59501"'],
  },
});

describe("okx", () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const create = async (boundIps: readonly string[], params: Readonly<Record<string, string>> = {}) => {
    const main = simulator.control.addKey("okx", { account: "main", boundIps });
    simulator.control.setAccount("okx", "desk01", { parent: "main" });
    return clientOf(okx, simulator, main).exchange.privatePostUsersSubaccountApikey({
      subAcct: "desk01",
      label: "kh0rotation",
      passphrase: "Kh1passphrase!",
      perm: "read_only",
      ...params,
    });
  };

  test("manages keys only for a key that is bound to an address", async () => {
    await expect(create([])).rejects.toThrow("50035");
    expect(await create(["127.0.0.1"])).toMatchObject({ code: "0" });
  });

  test("has no two keys of an account with the same note, until the first is deleted", async () => {
    await create(["127.0.0.1"]);
    await expect(create(["127.0.0.1"])).rejects.toThrow("59502");
    const [key] = simulator.control.keys("okx", "desk01");
    simulator.control.revokeKey("okx", key?.apiKey ?? "");
    expect(await create(["127.0.0.1"])).toMatchObject({ code: "0" });
  });

  test.each([
    "Kh1passphrase",
    "kh1passphrase!",
    "KH1PASSPHRASE!",
    "Khpassphrase!",
    "Kh1!",
    `Kh1!${"x".repeat(29)}`,
  ])("wants characters of four kinds in a passphrase, eight to 32: not %s", async (passphrase) => {
    await expect(create(["127.0.0.1"], { passphrase })).rejects.toThrow("59505");
    expect(simulator.control.keys("okx", "desk01")).toHaveLength(0);
  });

  test.each(["read_only,withdraw", "trade", "everything"])("gives no key the rights %s", async (perm) => {
    await expect(create(["127.0.0.1"], { perm })).rejects.toThrow("51000");
  });
});
