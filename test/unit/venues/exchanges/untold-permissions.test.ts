import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Valid } from "../../../../src/venues/verdict.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, inspectAt, performerAt, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});

afterAll(() => venue[Symbol.asyncDispose]());

async function read(id: string, body: unknown, fields = credentialsOf(id)): Promise<Valid> {
  venue.sayJson(body);
  const verdict = await inspectAt(perform, id, fields);
  if (verdict.outcome !== "valid") throw new Error(verdict.message);
  return verdict;
}

describe("what Binance tells of a key", () => {
  const restrictions = { ipRestrict: false, createTime: 1, enableReading: true, enableWithdrawals: false };

  test.each([
    [{ enableWithdrawals: "true" }, { withdraw: "yes", unknownWords: [] }],
    [{ enableWithdrawals: 1 }, { withdraw: "yes" }],
    [{ enableFutures: "1" }, { trade: "yes", withdraw: "no" }],
    [
      { enableFutures: "false", permitsUniversalTransfer: "0" },
      { trade: "no", transfer: "no" },
    ],
    [{ enableGifts: "true" }, { withdraw: "unknown", unknownWords: ["enableGifts"] }],
    [
      { enableGifts: "false", keyAgeDays: 12, note: null },
      { withdraw: "no", unknownWords: [] },
    ],
    [{ more: { enableWithdrawals: true } }, { withdraw: "unknown", unknownWords: ["more"] }],
    [{ scopes: ["withdraw"] }, { withdraw: "unknown", unknownWords: ["scopes"] }],
  ])("by flags in other forms: %j", async (flags, granted) => {
    const { permissions } = await read("binance", { ...restrictions, ...flags });
    expect(permissions).toMatchObject(granted);
  });
});

describe("an answer that lists no permission", () => {
  test.each([
    ["kucoin", { code: "200000", data: { permission: " , ", uid: 1 } }],
    ["mexc", { permissions: "", status: "VALID" }],
    ["kraken", { error: [], result: { permissions: [], validUntil: "0", ipAllowlist: [] } }],
    ["okx", { code: "0", msg: "", data: [{ uid: "1", perm: ",", ip: "" }] }],
    ["bybit", { retCode: 0, result: { readOnly: 1, permissions: { Wallet: [] }, ips: [], userID: 1 } }],
    ["bitget", { code: "00000", data: { userId: "1", ips: "", authorities: [] } }],
    ["gate", [{ key: "4f2a00000000000000009c1b", perms: [], user_id: 1 }]],
    ["binance", { ipRestrict: false, createTime: 1, enableReading: true, enableWithdrawals: "perhaps" }],
    [
      "binance",
      {
        ipRestrict: false,
        createTime: 1,
        enableReading: true,
        enableWithdrawals: false,
        enableFutures: "all",
      },
    ],
    ["coinbase", { can_view: true, can_trade: false, can_transfer: null }],
  ])("or one that cannot be read is not understood (%s)", async (id, body) => {
    venue.sayJson(body);
    const fields = new Map(credentialsOf(id));
    if (id === "gate") fields.set("api_key", "4f2a00000000000000009c1b");
    expect((await inspectAt(perform, id, fields)).outcome).toBe("unexpected_answer");
  });

  test.each([
    ["kucoin", { code: "200000", data: { permission: "general,withdrawal", uid: 1 } }],
    ["mexc", { permissions: "SPOT_ACCOUNT_READ,SPOT_SWEEP", status: "VALID" }],
    ["okx", { code: "0", msg: "", data: [{ uid: "1", perm: "read_only,Withdraw", ip: "" }] }],
    ["bitget", { code: "00000", data: { userId: "1", ips: "", authorities: ["stor", "WWOW"] } }],
    [
      "bybit",
      { retCode: 0, result: { readOnly: 0, permissions: { Wallet: ["withdraw"] }, ips: [], userID: 1 } },
    ],
  ])("and a word that is not known leaves withdrawal open (%s)", async (id, body) => {
    const { permissions } = await read(id, body);
    expect(permissions).toMatchObject({ read: "yes", withdraw: "unknown" });
    expect(permissions.unknownWords.length).toBeGreaterThan(0);
  });
});
