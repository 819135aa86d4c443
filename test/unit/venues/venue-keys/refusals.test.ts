import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { KeyOptions } from "../../../../simulator/control.ts";
import { fault } from "../../../../simulator/faults.ts";
import { markerOf, type KeyFailure, type KeyRefusalReason } from "../../../../src/venues/venue-keys.ts";
import { Desk, fieldsOf, type KeyVenue, keyVenues, targetOf } from "./desk.ts";

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk[Symbol.asyncDispose]());
beforeEach(() => desk.simulator.control.reset());

const marker = markerOf("rotation 1");
const refused = (reason: KeyRefusalReason, message = "") => ({
  outcome: "refused",
  reason,
  message: expect.stringContaining(message),
});

/** Expects that nothing was created nor deleted, whatever was asked. */
async function expectAll(
  venue: KeyVenue,
  target: Parameters<typeof ask>[1],
  expected: object,
): Promise<void> {
  const before = desk.keysOf(venue).length;
  for (const answer of await ask(venue, target)) expect(answer).toMatchObject(expected);
  expect(desk.keysOf(venue)).toHaveLength(before);
}

async function ask(venue: KeyVenue, target: ReturnType<typeof targetOf>): Promise<object[]> {
  const keys = desk.keys(venue);
  return [
    await keys.create(target, marker),
    await keys.find(target, marker),
    await keys.revoke(target, target.current),
  ];
}

describe.each(keyVenues)("at %s", (venue) => {
  test("a parent key without the right to manage keys is told from a bad one", async () => {
    const lacks: Readonly<Record<KeyVenue, KeyOptions["permissions"]>> = {
      binance: { trade: false },
      bybit: { transfer: false, trade: true },
      okx: { trade: false },
      kucoin: { read: false },
      bitget: { trade: false },
      gate: { trade: false },
    };
    const parent = desk.addParent(venue, { permissions: lacks[venue] ?? {} });
    const target = targetOf(parent, desk.addCurrent(venue));
    expect(await desk.keys(venue).create(target, marker)).toMatchObject(
      refused("parent_lacks_permission", "the parent key lacks the right"),
    );
    expect(await desk.keys(venue).revoke(target, target.current)).toMatchObject(
      refused("parent_lacks_permission"),
    );
    expect(desk.keysOf(venue)).toHaveLength(1);
  });

  test("a parent key that was deleted, or whose secret is another's, is rejected", async () => {
    const [parent, current] = [desk.addParent(venue), desk.addCurrent(venue)];
    const { apiSecret } = desk.addParent(venue);
    await expectAll(venue, targetOf({ ...parent, apiSecret }, current), refused("parent_rejected"));
    desk.simulator.control.revokeKey(venue, parent.apiKey);
    await expectAll(venue, targetOf(parent, current), refused("parent_rejected"));
  });

  test("a parent key that is bound to another address says which addresses to allow", async () => {
    const parent = desk.addParent(venue, { boundIps: ["203.0.113.7"] });
    // Binance does not say whether the key or the address is at fault.
    const reason = venue === "binance" ? "parent_rejected" : "parent_ip_not_allowed";
    await expectAll(venue, targetOf(parent, desk.addCurrent(venue)), refused(reason, "Allow 192.0.2.7"));
  });

  test("a key in force that was deleted cannot tell where it belongs", async () => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    const { apiKey } = desk.addCurrent(venue);
    const [current] = desk.keysOf(venue);
    desk.simulator.control.revokeKey(venue, current?.apiKey ?? apiKey);
    await expectAll(venue, target, refused("current_rejected"));
  });

  test("a key of the main account itself is not rotated by API", async () => {
    const parent = desk.addParent(venue);
    const answer = await desk.keys(venue).create(targetOf(parent, desk.addParent(venue)), marker);
    // Bitget says no in words that are not documented.
    expect(answer).toMatchObject(refused(venue === "bitget" ? "refused" : "not_a_sub_account"));
    expect(desk.keysOf(venue, "main")).toHaveLength(2);
  });

  test("a key of somebody else's sub-account is not touched", async () => {
    const parent = desk.addParent(venue);
    const current = desk.addCurrent(venue);
    desk.simulator.control.setAccount(venue, "desk01", { parent: "another main" });
    const documented = venue === "binance" || venue === "okx" || venue === "gate";
    const reason = documented ? "not_a_sub_account" : "refused";
    await expectAll(venue, targetOf(parent, current), refused(reason));
  });

  test("too many keys are told, with the code where one is documented and else in the venue's words", async () => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    desk.simulator.control.setAccount(venue, "desk01", { keyLimit: 1 });
    const expected =
      venue === "okx" ? refused("limit_reached", "59501") : refused("refused", "It said: The number of");
    expect(await desk.keys(venue).create(target, marker)).toMatchObject(expected);
    expect(desk.keysOf(venue)).toHaveLength(1);
  });

  // Binance shows no words for the rights of a key.
  test.skipIf(venue === "binance")("a right that no new key is given is not silently dropped", async () => {
    const current = desk.addCurrent(venue, { extraWords: ["Teleport"] });
    const target = targetOf(desk.addParent(venue), current);
    expect(await desk.keys(venue).create(target, marker)).toMatchObject(
      refused("not_inheritable", 'It has "Teleport".'),
    );
    expect(desk.keysOf(venue)).toHaveLength(1);
    expect(await desk.keys(venue).find(target, marker)).toEqual({ outcome: "absent" });
  });

  test.each([
    ["rate_limited", fault.refuse("rate_limited"), "rate_limited"],
    ["unavailable", fault.refuse("unavailable"), "venue_unavailable"],
    ["clock_skew", fault.refuse("clock_skew"), "clock_skew"],
    ["a broken connection", fault.reset, "venue_unavailable"],
    ["HTML", fault.html(502), "venue_unavailable"],
  ] as const)("a venue that says %s says nothing of the keys", async (_name, planned, outcome) => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    desk.simulator.control.fail(venue, planned);
    await expectAll(venue, target, { outcome });
  });
});

describe("without asking the venue", () => {
  const expectUnasked = (answer: unknown, expected: object) => {
    expect(answer).toMatchObject(expected);
    expect(desk.simulator.control.countRequests()).toBe(0);
  };

  test.each(keyVenues)("an environment where %s manages no keys is refused", async (venue) => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    const answer = await desk.keys(venue).create({ ...target, environment: "paper" }, marker);
    expectUnasked(answer, refused("unsupported", "Not for paper keys."));
  });

  test.each(["", "kh", "Kh0rotation", "kh0 rotation", "0khrotation", "k".repeat(30)])(
    "a marker that not every venue takes is refused: %o",
    async (text) => {
      const target = targetOf(desk.addParent("okx"), desk.addCurrent("okx"));
      expectUnasked(await desk.keys("okx").create(target, text), refused("malformed", "A marker has"));
      expectUnasked(await desk.keys("okx").find(target, text), refused("malformed"));
    },
  );

  test.each(["parent", "current"] as const)("a %s key that lacks a field is refused", async (who) => {
    const target = targetOf(desk.addParent("okx"), desk.addCurrent("okx"));
    const lacking = new Map([...target[who]].filter(([name]) => name !== "passphrase"));
    const answer = await desk.keys("okx").create({ ...target, [who]: lacking }, marker);
    expectUnasked(answer, refused("malformed", "It needs the field passphrase."));
  });

  test("a field with a line break is refused", async () => {
    const [parent, current] = [desk.addParent("okx"), desk.addCurrent("okx")];
    const target = targetOf({ ...parent, apiKey: "two\nlines" }, current);
    expectUnasked(await desk.keys("okx").create(target, marker), refused("malformed", "line break"));
  });

  test("a key pair is left to a person, as only keys with a shared secret are made", async () => {
    const current = desk.addCurrent("binance", { signing: "ed25519" });
    const target = targetOf(desk.addParent("binance"), current);
    expectUnasked(await desk.keys("binance").create(target, marker), refused("unsupported", "key pair"));
  });

  test("a key to delete must have a name", async () => {
    const target = targetOf(desk.addParent("okx"), desk.addCurrent("okx"));
    expectUnasked(await desk.keys("okx").revoke(target, new Map()), refused("malformed", "api_key"));
  });

  test("other venues manage no keys, and former names none that are not there", () => {
    for (const venue of ["kraken", "coinbase", "alpaca", "polygon", "nowhere"]) {
      expect(desk.venues.keys(venue)).toBeUndefined();
    }
    expect(keyVenues.map((venue) => desk.keys(venue).description.venue)).toEqual(keyVenues);
  });
});

test("okx manages keys only for a parent that is bound to an address", async () => {
  const target = targetOf(desk.addParent("okx", { boundIps: [] }), desk.addCurrent("okx"));
  expect(await desk.keys("okx").create(target, marker)).toMatchObject(
    refused("parent_lacks_permission", "bound to an address"),
  );
  expect(desk.keysOf("okx")).toHaveLength(1);
});

test.each(["main", "desk01"])(
  "bitget deletes no keys of classic accounts, so none is made (%s)",
  async (account) => {
    const target = targetOf(desk.addParent("bitget"), desk.addCurrent("bitget"));
    desk.simulator.control.setAccount("bitget", account, { unified: false });
    await expectAll("bitget", target, refused("unsupported", "40084"));
  },
);

test("calls that end with the venue processes are indefinite", async () => {
  const other = await Desk.open();
  const target = targetOf(other.addParent("okx"), other.addCurrent("okx"));
  other.simulator.control.fail("okx", fault.hang);
  const creation = other.keys("okx").create(target, marker);
  await expect.poll(() => other.simulator.control.countRequests(), { timeout: 20_000 }).toBeGreaterThan(0);
  await other.venues.close();
  const lost: KeyFailure = {
    outcome: "venue_unavailable",
    message: "the venue process ended during the call",
  };
  expect(await creation).toEqual(lost);
  expect(await other.keys("okx").find(target, marker)).toMatchObject({ outcome: "venue_unavailable" });
  await other[Symbol.asyncDispose]();
});

test.each(keyVenues)("a key that is deleted four times at once is deleted once at %s", async (venue) => {
  const [parent, old] = [desk.addParent(venue), desk.addCurrent(venue)];
  const current = await desk.create(venue, targetOf(parent, old), marker);
  const target = { ...targetOf(parent, old), current };
  const revoke = async () => (await desk.keys(venue).revoke(target, fieldsOf(old))).outcome;
  const outcomes = await Promise.all([revoke(), revoke(), revoke(), revoke()]);
  expect(outcomes.toSorted()).toEqual(["absent", "absent", "absent", "revoked"]);
  expect(desk.keysOf(venue)).toHaveLength(1);
});
