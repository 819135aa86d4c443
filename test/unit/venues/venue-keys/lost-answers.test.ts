import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fault } from "../../../../simulator/faults.ts";
import { markerOf } from "../../../../src/venues/venue-keys.ts";
import { deletion, Desk, fieldsOf, type KeyVenue, keyVenues, targetOf, textOf } from "./desk.ts";

let desk: Desk;
let hasty: Desk;
beforeAll(async () => {
  desk = await Desk.open();
  hasty = await Desk.open({ timeoutMs: 1500, processes: 1 });
});
afterAll(async () => {
  await desk[Symbol.asyncDispose]();
  await hasty[Symbol.asyncDispose]();
});
beforeEach(() => {
  desk.simulator.control.reset();
  hasty.simulator.control.reset();
});

const marker = markerOf("rotation 1");
const creations = (venue: KeyVenue) => desk.simulator.control.countRequests({ venue, method: "POST" });

describe.each(keyVenues)("at %s", (venue) => {
  test("a key whose creation was never answered is found, is the only one, and makes room for another", async () => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    desk.simulator.control.fail(venue, fault.loseAnswer, { times: 1, method: "POST" });
    expect(await desk.keys(venue).create(target, marker)).toMatchObject({ outcome: "venue_unavailable" });
    expect([creations(venue), desk.keysOf(venue).length]).toEqual([1, 2]);

    const found = await desk.keys(venue).find(target, marker);
    if (found.outcome !== "found") throw new Error(JSON.stringify(found));
    expect(found.key.has("api_secret")).toBe(false);
    const again = await desk.keys(venue).create(target, marker);
    if (again.outcome !== "exists") throw new Error(JSON.stringify(again));
    expect(textOf(again.key, "api_key")).toBe(textOf(found.key, "api_key"));
    expect([creations(venue), desk.keysOf(venue).length]).toEqual([1, 2]);

    expect(await desk.keys(venue).revoke(target, found.key)).toEqual({ outcome: "revoked" });
    expect(await desk.keys(venue).find(target, marker)).toEqual({ outcome: "absent" });
    const fields = await desk.create(venue, target, marker);
    expect(await desk.inspect(venue, fields)).toMatchObject({ outcome: "valid" });
    expect(desk.keysOf(venue)).toHaveLength(2);
  });

  test("a deletion that was never answered has taken place", async () => {
    const [parent, old] = [desk.addParent(venue), desk.addCurrent(venue)];
    const current = await desk.create(venue, targetOf(parent, old), marker);
    const target = { ...targetOf(parent, old), current };
    desk.simulator.control.fail(venue, fault.loseAnswer, { times: 1, method: deletion[venue] });
    const revoke = () => desk.keys(venue).revoke(target, fieldsOf(old));
    expect(await revoke()).toMatchObject({ outcome: "venue_unavailable" });
    expect(await revoke()).toEqual({ outcome: "absent" });
    expect(desk.keysOf(venue)).toHaveLength(1);
  });

  test.each([
    ["a broken connection", fault.reset, "venue_unavailable"],
    ["an error of the server", fault.html(503), "venue_unavailable"],
    ["too many requests", fault.refuse("rate_limited"), "rate_limited"],
    ["an empty object", fault.emptyObject, "unexpected_answer"],
    ["a page of HTML", fault.html(200), "unexpected_answer"],
    ["a page that blocks", fault.html(451), "blocked"],
  ] as const)(
    "%s instead of a creation is not taken for one, nor asked twice",
    async (_name, planned, outcome) => {
      const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
      desk.simulator.control.fail(venue, planned, { times: 1, method: "POST" });
      expect(await desk.keys(venue).create(target, marker)).toMatchObject({ outcome });
      expect([creations(venue), desk.keysOf(venue).length]).toEqual([1, 1]);
    },
  );

  test("an empty answer to a deletion is not taken for one", async () => {
    const [parent, old] = [desk.addParent(venue), desk.addCurrent(venue)];
    const current = await desk.create(venue, targetOf(parent, old), marker);
    desk.simulator.control.fail(venue, fault.emptyObject, { times: 1, method: deletion[venue] });
    const target = { ...targetOf(parent, old), current };
    expect(await desk.keys(venue).revoke(target, fieldsOf(old))).toMatchObject({
      outcome: "unexpected_answer",
    });
    expect(desk.keysOf(venue)).toHaveLength(2);
  });

  test("a list that cannot be read leaves everything as it was", async () => {
    const target = targetOf(desk.addParent(venue), desk.addCurrent(venue));
    desk.simulator.control.fail(venue, fault.emptyObject, { method: "GET" });
    expect(await desk.keys(venue).create(target, marker)).toMatchObject({ outcome: "unexpected_answer" });
    expect(creations(venue)).toBe(0);
  });

  test("a venue that does not answer is waited for no longer than was configured", async () => {
    const target = targetOf(hasty.addParent(venue), hasty.addCurrent(venue));
    hasty.simulator.control.fail(venue, fault.hang, { method: "POST" });
    expect(await hasty.keys(venue).create(target, marker)).toMatchObject({ outcome: "timeout" });
    expect(hasty.keysOf(venue)).toHaveLength(1);
  });
});
