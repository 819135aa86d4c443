import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { warnExpiring } from "../../src/credentials/expiry.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reseal } from "../../src/credentials/reseal.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { schedule, showSchedule } from "../../src/credentials/rotation-at-venue/schedule.ts";
import { update } from "../../src/credentials/update.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import { eventNames, eventsOf } from "../../testkit/record.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

/** What a replacement, a rotation and a resealing have in common, and in what each of them differs. */
let world: World;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;
const dayMs = 86_400_000;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

async function registered(changes: Partial<Registration> = {}) {
  const fields = secretFields({ api_key: "key-1", api_secret: "secret-1" });
  return register(custody, owner, { accountId, venue: "scripted", environment: "live", fields, ...changes });
}

const fresh = () => secretFields({ api_key: "key-2", api_secret: "secret-2" });
const verbs = {
  replace: async (by: Custody, id: string, revision: number) => replace(by, owner, id, revision, fresh()),
  rotate: async (by: Custody, id: string, revision: number) =>
    (await rotate(by, owner, id, revision, { fields: fresh(), allowWider: true })).credential,
};
const both = ["replace", "rotate"] as const;

async function rowOf(id: string) {
  return world.database.owner
    .selectFrom("credentials")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
}

async function statesOf(id: string): Promise<readonly string[]> {
  const rows = await world.database.owner
    .selectFrom("credential_versions")
    .select(["version", "state"])
    .where("credential_id", "=", id)
    .orderBy("version")
    .execute();
  return rows.map(({ version, state }) => `${version} ${state}`);
}

/** Something happens after the new bytes were written, and before they are put in force. */
function whileStored(happen: () => Promise<unknown>): Custody {
  const { first } = custody.stores;
  const put: typeof first.put = async (...given) => {
    const written = await first.put(...given);
    await happen();
    return written;
  };
  return { ...custody, stores: { ...custody.stores, first: { ...first, put } } };
}

describe.each(both)("A new secret that is put in force by %s", (verb) => {
  test("brings what the venue says of it, and takes away what was held against the old one", async () => {
    const { id } = await registered();
    const since = new Date(Date.now() - 3_600_000);
    await sql`update credentials set health = 'degraded', health_message = 'refused', refused_since = ${since},
      refused_as = 'rejected', rejected_at = ${since}, held_at = ${since} where id = ${id}`.execute(
      world.database.owner,
    );
    const expiresAt = new Date(Date.now() + 90 * dayMs).toISOString();
    venue.verdict = () => valid({ expiresAt, permissions: { trade: "no", boundIps: ["203.0.113.7"] } });
    const credential = await verbs[verb](custody, id, 1);
    expect(credential).toMatchObject({
      status: "active",
      health: "healthy",
      health_message: null,
      permissions: { trade: "no", bound_ips: ["203.0.113.7"] },
      account: { id: "account-1" },
      expires_at: expiresAt,
      secret: { store: "postgres", version: 2 },
      revision: 2,
    });
    expect(await rowOf(id)).toMatchObject({
      refused_since: null,
      refused_as: null,
      rejected_at: null,
      held_at: null,
    });
    expect(await eventNames(custody.db, owner, id)).toContain("credential.recovered");
  });

  test("is not, if the tenant's policy forbids it by the time it is stored", async () => {
    await updatePolicy(custody.db, owner, { allow_withdraw: true });
    venue.verdict = () => valid({ permissions: { withdraw: "yes" } });
    const { id } = await registered();
    const forbidding = whileStored(() => updatePolicy(custody.db, owner, { allow_withdraw: false }));
    await expect(verbs[verb](forbidding, id, 1)).rejects.toMatchObject({ code: "withdraw_refused" });
    expect(await statesOf(id)).toEqual(["1 current"]);
    await updatePolicy(custody.db, owner, { allow_withdraw: true });
    expect(await verbs[verb](custody, id, 1), "the control").toMatchObject({ secret: { version: 3 } });
  });

  test("is not, if the credential has changed by the time it is stored", async () => {
    const { id } = await registered();
    const renaming = whileStored(() => update(custody, owner, id, 1, { label: "renamed" }));
    await expect(verbs[verb](renaming, id, 1)).rejects.toMatchObject({
      code: "stale",
      facts: { revision: 2 },
    });
    expect(await statesOf(id)).toEqual(["1 current"]);
  });

  test("begins the age of its key anew", async () => {
    const { id } = await registered();
    await sql`update credential_versions set key_since = now() - interval '60 days' where credential_id = ${id}`.execute(
      world.database.owner,
    );
    await verbs[verb](custody, id, 1);
    const { key_since } = await world.database.owner
      .selectFrom("credential_versions")
      .select("key_since")
      .where("credential_id", "=", id)
      .where("state", "=", "current")
      .executeTakeFirstOrThrow();
    expect(Date.now() - key_since.getTime()).toBeLessThan(dayMs);
  });
});

describe("What a rotation does and a replacement does not", () => {
  test("the days of a schedule count from the rotation, however it came about", async () => {
    const { id } = await registered();
    const nextAt = new Date(Date.now() + dayMs);
    await schedule(custody, owner, id, { parentId: null, everyDays: 30, nextAt });
    await verbs.replace(custody, id, 1);
    expect((await showSchedule(custody, owner, id)).next_at).toBe(nextAt.toISOString());
    await rotate(custody, owner, id, 2, {
      fields: secretFields({ api_key: "key-3", api_secret: "secret-3" }),
    });
    const next = new Date((await showSchedule(custody, owner, id)).next_at).getTime();
    expect(Math.round((next - Date.now()) / dayMs)).toBe(30);
  });

  test("its owner's date stays, and is warned of anew", async () => {
    const { id } = await registered({ expiresAt: new Date(Date.now() + 5 * dayMs) });
    const warnings = async () => {
      await warnExpiring(custody);
      const events = await eventsOf(custody.db, owner, id);
      return events.filter(({ event }) => event === "credential.expiring").length;
    };
    expect(await warnings()).toBe(1);
    const { revision } = await verbs.replace(custody, id, 1);
    expect(await warnings(), "not after a replacement").toBe(1);
    await rotate(custody, owner, id, revision, {
      fields: secretFields({ api_key: "key-3", api_secret: "secret-3" }),
    });
    expect(await warnings()).toBe(2);
  });
});

describe("What a resealing leaves as it is", () => {
  test("the rotation under way, whose new version moves along, and its old version", async () => {
    const { id } = await registered();
    await verbs.rotate(custody, id, 1);
    await reseal(custody, owner.tenantId, id);
    expect(await statesOf(id)).toEqual(["1 retired", "2 destroyed", "3 current"]);
    const rotations = await world.database.owner
      .selectFrom("rotations")
      .select(["state", "from_version", "to_version"])
      .where("credential_id", "=", id)
      .execute();
    expect(rotations).toEqual([{ state: "overlap", from_version: 1, to_version: 3 }]);
  });

  test("the schedule, the warnings and what is held against the credential", async () => {
    const { id } = await registered();
    const nextAt = new Date(Date.now() + dayMs);
    await schedule(custody, owner, id, { parentId: null, everyDays: 30, nextAt });
    await sql`update credentials set warned_days = 7, health = 'degraded', refused_since = now(), refused_as = 'rejected'
      where id = ${id}`.execute(world.database.owner);
    await reseal(custody, owner.tenantId, id);
    expect(await rowOf(id)).toMatchObject({
      version: 2,
      warned_days: 7,
      health: "degraded",
      refused_as: "rejected",
    });
    expect((await showSchedule(custody, owner, id)).next_at).toBe(nextAt.toISOString());
  });
});
