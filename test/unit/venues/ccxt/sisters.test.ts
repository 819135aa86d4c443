import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { classOf } from "../../../../src/venues/ccxt/generate.ts";
import { exchangeList, sistersOf } from "../../../../src/venues/ccxt/list.ts";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import type { Environment } from "../../../../src/venues/venue.ts";
import type { Verdict } from "../../../../src/venues/verdict.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, inspectAt, type Perform, performerAt } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});
beforeEach(() => venue.forget());
afterAll(() => venue[Symbol.asyncDispose]());

/** Exchanges whose class in ccxt derives from the class of another exchange. */
const derived = exchangeList.flatMap(({ id }) => {
  const above: unknown = Object.getPrototypeOf(classOf(id));
  const parent = exchangeList.find((other) => classOf(other.id) === above);
  return parent === undefined ? [] : [{ id, parent: parent.id }];
});

describe("an exchange with the API of another one", () => {
  test("has a row, and a review of its requests, wherever the other one has", () => {
    const withParent = derived.filter(({ parent }) => exchangeTable.has(parent));
    expect(withParent.length).toBeGreaterThanOrEqual(9);
    expect(withParent.filter(({ id }) => !exchangeTable.has(id))).toEqual([]);
    // The control: one that derives from an exchange without a row has none itself.
    expect(derived).toContainEqual({ id: "fmfwio", parent: "hitbtc" });
    expect(exchangeTable.has("fmfwio")).toBe(false);
  });

  const restrictions = { ipRestrict: false, createTime: 1, enableReading: true, enableWithdrawals: true };
  const okxConfig = { code: "0", msg: "", data: [{ uid: "7", perm: "read_only,withdraw", ip: "192.0.2.9" }] };
  const bybitKey = (Wallet: readonly string[]) => ({
    retCode: 0,
    result: { readOnly: 0, permissions: { Wallet, Spot: ["SpotTrade"] }, ips: ["*"], userID: 1 },
  });

  test.each([
    ["binancecoinm", restrictions],
    ["binanceus", restrictions],
    ["bybitid", bybitKey(["AccountTransfer", "Withdraw"])],
    ["kucoinfutures", { code: "200000", data: { permission: "General, Futures, Transfer", uid: 1 } }],
    ["okxus", okxConfig],
  ])("shows that a key may withdraw (%s)", async (id, body) => {
    venue.sayJson(body);
    const verdict = await inspectAt(perform, id);
    expect(verdict).toMatchObject({ outcome: "valid", permissions: { read: "yes", withdraw: "yes" } });
  });

  test("shows it of a key that is in a list (gateeu)", async () => {
    const fields = new Map(credentialsOf("gateeu")).set("api_key", "4f2a00000000000000009c1b");
    const perms = [{ name: "withdraw", read_only: false }, { name: "spot" }];
    venue.sayJson([{ key: "4f2a****************9c1b", user_id: 3, perms, ip_whitelist: ["192.0.2.1"] }]);
    expect(await inspectAt(perform, "gateeu", fields)).toMatchObject({
      outcome: "valid",
      permissions: { withdraw: "yes", trade: "yes", boundIps: ["192.0.2.1"] },
    });
  });

  test("has no more than the account where it lacks the call for a key's rights, and knows no right then", async () => {
    venue.reply(({ url }, response) => {
      const isAccount = url.startsWith("/api/v3/account");
      response.writeHead(isAccount ? 200 : 404, { "content-type": "application/json" });
      response.end(
        JSON.stringify(isAccount ? { accountType: "SPOT", balances: [] } : { error: "Not Found" }),
      );
    });
    expect(await inspectAt(perform, "binanceus")).toMatchObject({
      outcome: "valid",
      permissions: { read: "yes", withdraw: "unknown" },
    });
    expect(venue.received.map(({ url }) => url.split("?")[0])).toEqual([
      "/sapi/v1/account/apiRestrictions",
      "/api/v3/account",
    ]);
  });

  test.each([
    ["binanceusdm", "paper", "/fapi/v3/account"],
    ["binancecoinm", "paper", "/dapi/v1/account"],
  ] as const)("is asked in demo trading where its contracts are (%s)", async (id, environment, path) => {
    venue.sayJson({ assets: [], positions: [] });
    expect((await inspectIn(id, environment)).outcome).toBe("valid");
    expect(venue.received.map(({ url }) => url.split("?")[0])).toEqual([path]);
  });

  test.each([
    ["bybitid", 200, { retCode: 10010, retMsg: "Unmatched IP", result: {} }],
    ["okxus", 401, { code: "50110", msg: "not in the whitelist" }],
    ["gateeu", 403, { label: "IP_FORBIDDEN", message: "x" }],
    ["kucoinfutures", 200, { code: "400006", msg: "x" }],
  ] as const)("separates a refused address from a bad key (%s)", async (id, status, body) => {
    venue.sayJson(body, status);
    expect((await inspectAt(perform, id)).outcome).toBe("ip_not_allowed");
  });
});

describe("a key of a sister venue", () => {
  test.each([
    ["bybiteu", 200, { retCode: 10003, retMsg: "API key is invalid." }, ["(bybit)", "(bybitid)"]],
    ["okx", 401, { code: "50119", msg: "API key doesn't exist" }, ["(myokx)", "(okxus)"]],
    ["okxus", 401, { code: "50119", msg: "API key doesn't exist" }, ["(okx)", "(myokx)"]],
    ["gate", 401, { label: "INVALID_KEY", message: "x" }, ["Gate EU (gateeu)"]],
    ["binance", 401, { code: -2008, msg: "Invalid Api-Key ID." }, ["Binance US (binanceus)"]],
    ["kraken", 200, { error: ["EAPI:Invalid key"] }, ["Kraken Futures (krakenfutures)"]],
  ] as const)("is refused with the venues that it may be of (%s)", async (id, status, body, named) => {
    venue.sayJson(body, status);
    const verdict = await inspectAt(perform, id);
    const message = verdict.outcome === "valid" ? "" : verdict.message;
    for (const sister of named) expect(message).toContain(sister);
    expect(message).not.toContain(`(${id})`);
  });

  test("may be of no venue that takes the same keys, nor of one that there is not", () => {
    expect(sistersOf("binance").join()).not.toContain("binanceusdm");
    expect(sistersOf("binanceusdm").join()).toContain("(binanceus)");
    expect(sistersOf("mexc")).toEqual([]);
    const ids = exchangeList.flatMap(({ id }) => sistersOf(id)).map((name) => /\((\w+)\)$/.exec(name)?.[1]);
    expect(ids.filter((id) => !exchangeList.some((facts) => facts.id === id))).toEqual([]);
  });

  test.each([
    { key: "PKJ3Q8", environment: "live", other: "paper", status: 401, message: "unauthorized." },
    { key: "AKJ3Q8", environment: "paper", other: "live", status: 401, message: "unauthorized." },
    { key: "PKJ3Q8", environment: "live", other: "paper", status: 403, message: "forbidden." },
  ] as const)(
    "is recognised by its first letters at Alpaca: $key at $environment, $status",
    async (given) => {
      const { key, environment, other, status, message } = given;
      venue.sayJson({ message }, status);
      const fields = new Map(credentialsOf("alpaca")).set("api_key", key);
      const verdict = await inspectIn("alpaca", environment, fields);
      expect(verdict).toMatchObject({
        outcome: "rejected",
        reason: "wrong_environment",
        message: expect.stringContaining(`the environment ${other}`),
      });
      // The control: of a key of this environment it says no more than the answer does.
      fields.set("api_key", `${environment === "live" ? "AK" : "PK"}J3Q8`);
      const expected = status === 401 ? { reason: "bad_key" } : { outcome: "ambiguous" };
      expect(await inspectIn("alpaca", environment, fields)).toMatchObject(expected);
    },
  );
});

async function inspectIn(id: string, environment: Environment, fields = credentialsOf(id)): Promise<Verdict> {
  return inspectAt(perform, id, fields, environment);
}
