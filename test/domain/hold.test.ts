import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkHealth } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { show } from "../../src/credentials/list.ts";
import type { Hold } from "../../src/credentials/outcome.ts";
import { register } from "../../src/credentials/register.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import type { Verdict } from "../../src/venues/verdict.ts";
import { eventNames, eventsOf } from "../../testkit/record.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let venue: ScriptedVenue;
let custody: Custody;
const held: Hold[] = [];

const badKey = { outcome: "rejected", reason: "bad_key", message: "Scripted: bad key." } as const;
const unclear = { outcome: "ambiguous", causes: ["key", "address"], message: "Scripted: unclear." } as const;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await sql`truncate credentials cascade`.execute(world.database.owner);
  venue = new ScriptedVenue();
  held.length = 0;
  custody = { ...venue.in(world.custody), refusalHeld: (_venue, why) => void held.push(why) };
});

/** A tenant with so many keys that the venue accepts. */
async function desk(keys: number) {
  const tenant = await world.createTenant();
  const accountId = await world.createAccount(tenant.owner);
  const ids: string[] = [];
  for (let number = 0; number < keys; number += 1)
    ids.push((await keep(tenant, accountId, String(number))).id);
  const credentials = async () => Promise.all(ids.map(async (id) => show(custody, tenant.owner, id)));
  return {
    tenant,
    ids,
    /** What the venue says of the first `count` keys, in two checks with more than a minute between them. */
    async refuseTwice(count: number, verdict: Verdict = badKey) {
      venue.verdict = () => verdict;
      for (const id of ids.slice(0, count)) await checkHealth(custody, { tenant_id: tenant.id, id });
      await letPass("61 seconds");
      for (const id of ids.slice(0, count)) await checkHealth(custody, { tenant_id: tenant.id, id });
      venue.verdict = () => valid();
    },
    async check(at: number, verdict: Verdict) {
      venue.verdict = () => verdict;
      await checkHealth(custody, { tenant_id: tenant.id, id: ids[at] ?? "" });
      venue.verdict = () => valid();
    },
    statuses: async () => (await credentials()).map(({ status }) => status),
    health: async () => (await credentials()).map(({ health }) => health),
  };
}

async function keep(
  { owner }: Tenant,
  accountId: string,
  label: string,
  validation: "now" | "deferred" = "now",
) {
  const fields = secretFields({ api_key: `key ${label}`, api_secret: "secret" });
  return register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    label,
    fields,
    validation,
  });
}

/** As if everything that has happened had happened so much earlier. */
async function letPass(time: string): Promise<void> {
  await sql`update credentials set rejected_at = rejected_at - ${time}::interval, refused_since = refused_since - ${time}::interval,
    held_at = held_at - ${time}::interval, last_validated_at = last_validated_at - ${time}::interval`.execute(
    world.database.owner,
  );
}

describe("for one tenant", () => {
  test.each([2, 4])(
    "two refused keys of %i end none of them, and owner and operator are told",
    async (keys) => {
      const own = await desk(keys);
      await own.refuseTwice(2);
      expect(new Set(await own.statuses())).toEqual(new Set(["active"]));
      expect((await own.health()).slice(0, 2)).toEqual(["degraded", "degraded"]);
      expect(held).toEqual(["many", "many"]);
      const names = await eventNames(custody.db, own.tenant.owner, own.ids[0] ?? "");
      expect(
        names.filter((name) => name === "credential.degraded"),
        "once, at the first",
      ).toHaveLength(1);
    },
  );

  test.each([
    [1, 1],
    [1, 6],
    [2, 10],
  ])("%i refused of %i is no more than happens, and ends them", async (refused, keys) => {
    const own = await desk(keys);
    await own.refuseTwice(refused);
    expect((await own.statuses()).filter((status) => status === "invalid")).toHaveLength(refused);
    expect(held).toEqual([]);
  });

  test("refusals that lie more than ten minutes apart are not taken together", async () => {
    const own = await desk(4);
    await own.check(0, badKey);
    await letPass("11 minutes");
    await own.check(1, badKey);
    await letPass("61 seconds");
    await own.check(0, badKey);
    expect(await own.statuses()).toEqual(["invalid", "active", "active", "active"]);
  });

  test("two of its other keys are asked about at once after the first refusal", async () => {
    const own = await desk(4);
    await own.check(3, badKey);
    const { rows } = await sql<{ due: number }>`
      select count(*)::integer as due from credentials where next_check_at <= clock_timestamp()`.execute(
      world.database.owner,
    );
    expect(rows).toEqual([{ due: 2 }]);
  });

  test("the hold ends when another of its keys is accepted", async () => {
    const own = await desk(3);
    await own.refuseTwice(2);
    await letPass("15 minutes");
    await own.check(0, badKey);
    expect((await own.statuses())[0], "not before").toBe("active");
    await own.check(2, valid());
    await own.check(0, badKey);
    expect((await own.statuses())[0]).toBe("invalid");
  });

  test("the hold ends after a day", async () => {
    const own = await desk(2);
    await own.refuseTwice(2);
    await letPass("23 hours");
    await own.check(0, badKey);
    expect((await own.statuses())[0]).toBe("active");
    await letPass("1 hour");
    await own.check(0, badKey);
    expect((await own.statuses())[0]).toBe("invalid");
  });

  test("a key that is accepted again is not held any more, and its owner is told", async () => {
    const own = await desk(2);
    await own.refuseTwice(2);
    await own.check(0, valid());
    expect(await own.health()).toEqual(["healthy", "degraded"]);
    expect(await eventNames(custody.db, own.tenant.owner, own.ids[0] ?? "")).toContain(
      "credential.recovered",
    );
  });

  test("a clock that is far off ends nothing, however long and however often", async () => {
    const own = await desk(1);
    for (let time = 0; time < 3; time += 1) {
      await own.check(0, { ...badKey, clockOff: true });
      await letPass("25 hours");
    }
    expect(await own.statuses()).toEqual(["active"]);
    expect(await own.health()).toEqual(["degraded"]);
    expect(held).toEqual(["clock", "clock", "clock"]);
    await own.refuseTwice(1);
    expect(await own.statuses(), "the control: the clock is right again").toEqual(["invalid"]);
  });
});

describe("for several tenants", () => {
  test("refusals of a third of them end none, not even of a tenant with one key", async () => {
    const desks = [];
    for (let number = 0; number < 6; number += 1) desks.push(await desk(1));
    for (const one of desks.slice(0, 3)) await one.check(0, badKey);
    await letPass("61 seconds");
    for (const one of desks.slice(0, 3)) await one.check(0, badKey);
    for (const one of desks) expect(await one.statuses()).toEqual(["active"]);
    expect(held).toEqual(["many", "many", "many"]);
  });

  test("another that has all its keys refused holds nothing, however many they are", async () => {
    const planter = await desk(12);
    const others = [await desk(2), await desk(1)];
    await planter.refuseTwice(12);
    for (const other of others) await other.refuseTwice(1);
    expect(await others[0]?.statuses()).toEqual(["invalid", "active"]);
    expect(new Set(await planter.statuses()), "its own are").toEqual(new Set(["active"]));
  });

  test("keys that the venue never accepted count for nothing", async () => {
    const own = await desk(1);
    for (let number = 0; number < 3; number += 1) {
      const tenant = await world.createTenant();
      await updatePolicy(custody.db, tenant.owner, { allow_deferred: true });
      const accountId = await world.createAccount(tenant.owner);
      venue.verdict = () => badKey;
      for (const label of ["a", "b", "c"]) {
        const { id } = await keep(tenant, accountId, label, "deferred");
        await checkHealth(custody, { tenant_id: tenant.id, id });
        expect(await show(custody, tenant.owner, id)).toMatchObject({ status: "invalid" });
      }
    }
    await own.refuseTwice(1);
    expect(await own.statuses()).toEqual(["invalid"]);
  });

  test("what was refused more than an hour ago counts for nothing", async () => {
    const desks = [];
    for (let number = 0; number < 4; number += 1) desks.push(await desk(1));
    for (const one of desks.slice(1)) await one.check(0, badKey);
    await letPass("61 minutes");
    await desks[0]?.refuseTwice(1);
    expect(await desks[0]?.statuses()).toEqual(["invalid"]);
  });
});

describe("an ambiguous refusal that has lasted a day", () => {
  test("ends a key that is refused alone, and its owner is told why", async () => {
    const own = await desk(4);
    await own.check(0, unclear);
    await letPass("23 hours 59 minutes");
    await own.check(0, unclear);
    expect((await own.statuses())[0]).toBe("active");
    await letPass("1 minute");
    await own.check(0, unclear);
    expect((await own.statuses())[0]).toBe("invalid");
    const events = await eventsOf(custody.db, own.tenant.owner, own.ids[0] ?? "");
    expect(events.at(-1)).toMatchObject({
      event: "credential.invalidated",
      detail: { reason: "ambiguous" },
    });
    expect(await show(custody, own.tenant.owner, own.ids[0] ?? "")).toMatchObject({
      health_message: "Scripted: unclear. It has been so for 24 hours.",
    });
  });

  test("ends none while the address is refused for other keys as well", async () => {
    const own = await desk(3);
    const address = { outcome: "ip_not_allowed", message: "Scripted: not from here." } as const;
    await own.check(0, unclear);
    await letPass("5 hours");
    await own.check(1, address);
    await letPass("19 hours");
    await own.check(0, unclear);
    expect((await own.statuses())[0]).toBe("active");
    expect(held).toEqual(["address"]);
    await own.check(1, valid());
    await own.check(0, unclear);
    expect((await own.statuses())[0], "the address is accepted again").toBe("invalid");
  });

  test("ends a key in the end, though another is refused as well", async () => {
    const own = await desk(2);
    await own.check(0, unclear);
    await own.check(1, unclear);
    await letPass("6 days");
    await own.check(0, unclear);
    expect((await own.statuses())[0]).toBe("active");
    await letPass("1 day");
    await own.check(0, unclear);
    expect((await own.statuses())[0]).toBe("invalid");
  });

  test("is not held by the refused keys of another tenant", async () => {
    const planter = await desk(9);
    const own = await desk(2);
    await own.check(0, unclear);
    for (let at = 0; at < 9; at += 1) await planter.check(at, unclear);
    await letPass("24 hours");
    await own.check(0, unclear);
    expect((await own.statuses())[0]).toBe("invalid");
  });
});
