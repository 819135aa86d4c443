import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { checkDue, dueChecks, usualPace, usualRoundMs } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { healthOf } from "../../src/credentials/health.ts";
import { register } from "../../src/credentials/register.ts";
import { usualIntervalMs } from "../../src/jobs/clock.ts";
import { makeDue } from "../../testkit/due.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

const credentials = 240;
/** Of a venue, in a round of a second: as many as the pace allows, and the one that begins with it. */
const pace = { atOnce: 8, perSecond: 100 };
const roundMs = 1000;
const mostInRound = 101;

let world: World;
let owner: Member;
let venue: ScriptedVenue;
let custody: Custody;
let ids: readonly string[];

beforeAll(async () => {
  world = await createWorld();
  ({ owner } = await world.createTenant());
  const accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
  const registered = Array.from({ length: credentials }, async (_, number) => {
    const fields = secretFields({ api_key: "key", api_secret: "secret" });
    const input = {
      accountId,
      venue: "scripted",
      environment: "live",
      label: String(number),
      fields,
    } as const;
    return (await register(custody, owner, input)).id;
  });
  ids = await Promise.all(registered);
}, 60_000);
afterAll(() => world.close());

test("at its usual pace one process asks one venue about 10,000 credentials within an hour", () => {
  const roundsInHour = 3_600_000 / usualIntervalMs;
  expect(usualRoundMs).toBeLessThan(usualIntervalMs);
  expect(roundsInHour * (usualRoundMs / 1000) * usualPace.perSecond).toBeGreaterThanOrEqual(10_000);
  // So many are under way at once that a venue may take half a second for each and the pace is kept.
  expect(usualPace.atOnce / usualPace.perSecond).toBeGreaterThan(0.5);
});

describe("a round of checks", () => {
  test("takes no more than its pace allows and leaves the rest due, until each was asked about once", async () => {
    await makeDue(world);
    const asked = venue.inspections;
    let [done, rounds] = [0, 0];
    while (done < credentials && rounds < credentials) {
      const tally = await checkDue(custody, pace, roundMs);
      expect(tally.done).toBeLessThanOrEqual(mostInRound);
      expect(tally.failed).toBe(0);
      done += tally.done;
      rounds += 1;
      expect(await dueChecks(custody.db, credentials)).toHaveLength(credentials - done);
    }
    expect(venue.inspections - asked).toBe(credentials);
    expect(rounds).toBeGreaterThanOrEqual(credentials / mostInRound);
    const checks = await Promise.all(ids.map(async (id) => (await healthOf(custody, owner, id, 10)).checks));
    expect(checks.every(({ length }) => length === 1)).toBe(true);
  });

  test("takes them all when the pace allows that", async () => {
    await makeDue(world);
    const all = await checkDue(custody, { ...pace, perSecond: 100_000 }, usualRoundMs);
    expect(all).toEqual({ done: credentials, failed: 0 });
  });
});
