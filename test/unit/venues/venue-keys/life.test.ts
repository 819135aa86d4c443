import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { markerOf } from "../../../../src/venues/venue-keys.ts";
import { Desk, fieldsOf, keyVenues, targetOf, textOf } from "./desk.ts";

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk[Symbol.asyncDispose]());
beforeEach(() => desk.simulator.control.reset());

const marker = markerOf("rotation 1");

describe.each(keyVenues)("a key at %s", (venue) => {
  test("is created with the rights and addresses of the one in force, and both work", async () => {
    const current = desk.addCurrent(venue);
    const fields = await desk.create(venue, targetOf(desk.addParent(venue), current), marker);
    const before = await desk.inspect(venue, fieldsOf(current));
    expect(before.outcome).toBe("valid");
    expect(await desk.inspect(venue, fields)).toEqual(before);
    expect([...fields.keys()]).toEqual(desk.keys(venue).description.fields);
    expect(desk.keysOf(venue)).toMatchObject([
      { apiKey: current.apiKey, boundIps: ["127.0.0.1"], permissions: { trade: true } },
      { label: marker, boundIps: ["127.0.0.1"], permissions: { trade: true } },
    ]);
  });

  test("inherits less and more: reading only, moving funds, several addresses or none", async () => {
    const parent = desk.addParent(venue);
    const kinds = [
      { permissions: { trade: false }, boundIps: [] },
      {
        permissions: { transfer: venue !== "bitget" && venue !== "okx" },
        boundIps: ["127.0.0.1", "203.0.113.9"],
      },
    ];
    for (const [index, kind] of kinds.entries()) {
      const account = `desk1${index}`;
      const current = desk.addCurrent(venue, { account, ...kind });
      const fields = await desk.create(venue, targetOf(parent, current), marker);
      const [old, made] = desk.keysOf(venue, account);
      expect(made).toMatchObject({ permissions: old?.permissions, boundIps: kind.boundIps });
      expect(await desk.inspect(venue, fields)).toEqual(await desk.inspect(venue, fieldsOf(current)));
    }
  });

  test("is refused by the venue once it is revoked, and a second time there is nothing to revoke", async () => {
    const [parent, old] = [desk.addParent(venue), desk.addCurrent(venue)];
    const fields = await desk.create(venue, targetOf(parent, old), marker);
    const target = { ...targetOf(parent, old), current: fields };
    expect(await desk.keys(venue).revoke(target, fieldsOf(old))).toEqual({ outcome: "revoked" });
    expect(await desk.inspect(venue, fieldsOf(old))).toMatchObject({
      outcome: "rejected",
      reason: "bad_key",
    });
    expect(await desk.inspect(venue, fields)).toMatchObject({ outcome: "valid" });
    expect(await desk.keys(venue).revoke(target, fieldsOf(old))).toEqual({ outcome: "absent" });
    expect(desk.keysOf(venue).map(({ apiKey }) => apiKey)).toEqual([textOf(fields, "api_key")]);
  });

  test("can be rotated again by the key that took its place", async () => {
    const [parent, first] = [desk.addParent(venue), desk.addCurrent(venue)];
    const target = targetOf(parent, first);
    const second = await desk.create(venue, target, marker);
    await desk.keys(venue).revoke({ ...target, current: second }, fieldsOf(first));
    const third = await desk.create(venue, { ...target, current: second }, markerOf("rotation 2"));
    expect(await desk.keys(venue).revoke({ ...target, current: third }, second)).toEqual({
      outcome: "revoked",
    });
    expect(desk.keysOf(venue)).toMatchObject([{ label: markerOf("rotation 2") }]);
  });

  test("is not found under a marker that nobody used", async () => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    expect(await desk.keys(venue).find(target, marker)).toEqual({ outcome: "absent" });
    await desk.create(venue, target, marker);
    expect(await desk.keys(venue).find(target, marker)).toMatchObject({ outcome: "found" });
    expect(await desk.keys(venue).find(target, markerOf("rotation 2"))).toEqual({ outcome: "absent" });
  });

  test("is created in its own sub-account, and only there", async () => {
    const parent = desk.addParent(venue);
    const [here, there] = ["desk01", "desk02"].map((account) => desk.addCurrent(venue, { account }));
    if (here === undefined || there === undefined) throw new Error("no keys");
    const fields = await desk.create(venue, targetOf(parent, here), marker);
    expect(desk.keysOf(venue, "desk02")).toHaveLength(1);
    const elsewhere = targetOf(parent, there);
    expect(await desk.keys(venue).find(elsewhere, marker)).toEqual({ outcome: "absent" });
    expect(await desk.keys(venue).revoke(elsewhere, fields)).toEqual({ outcome: "absent" });
    expect(desk.keysOf(venue, "desk01")).toHaveLength(2);
  });
});

test("a passphrase of any characters deletes its key at kucoin", async () => {
  const passphrase = "P&a=s#s?%+ü1".replace("ü", "/");
  const [parent, old] = [desk.addParent("kucoin"), desk.addCurrent("kucoin", { passphrase })];
  const target = targetOf(parent, old);
  const fields = await desk.create("kucoin", target, marker);
  const succeeded = { ...target, current: fields };
  const mistaken = fieldsOf({ ...old, passphrase: "P&a=s#s?%+/2" });
  expect(await desk.keys("kucoin").revoke(succeeded, mistaken)).toMatchObject({ outcome: "refused" });
  expect(await desk.keys("kucoin").revoke(succeeded, fieldsOf(old))).toEqual({ outcome: "revoked" });
});

test("a sub-account whose address holds a plus sign is found at binance", async () => {
  const current = desk.addCurrent("binance", { account: "desk+01" });
  const target = targetOf(desk.addParent("binance"), current);
  const fields = await desk.create("binance", target, marker);
  expect(await desk.keys("binance").revoke({ ...target, current: fields }, fieldsOf(current))).toEqual({
    outcome: "revoked",
  });
});

describe("lists of several pages", () => {
  test.each([
    ["bybit", 45],
    ["bitget", 230],
    ["binance", 210],
  ] as const)("are read to the end for the keys of a sub-account at %s", async (venue, count) => {
    const account = "desk01";
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    desk.simulator.control.setAccount(venue, account, { keyLimit: 500 });
    for (let n = 0; n < count; n += 1) desk.simulator.control.addKey(venue, { account, label: `other ${n}` });
    await desk.create(venue, target, marker);
    expect(await desk.keys(venue).find(target, marker)).toMatchObject({ outcome: "found" });
  });

  test.each([
    ["okx", 250],
    ["binance", 450],
  ] as const)("are read to the end for the sub-accounts at %s", async (venue, count) => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    for (let n = 0; n < count; n += 1) {
      desk.simulator.control.setAccount(venue, `other${n}`, { parent: "main" });
    }
    const last = desk.addCurrent(venue, { account: "desk99" });
    for (const current of [target.current, fieldsOf(last)]) {
      await desk.create(venue, { ...target, current }, marker);
    }
    expect(desk.keysOf(venue, "desk99")).toHaveLength(2);
  });
});
