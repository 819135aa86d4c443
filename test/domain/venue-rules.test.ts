import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { checkHealth } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { expireDue, warnExpiring } from "../../src/credentials/expiry.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { healthOf } from "../../src/credentials/health.ts";
import { show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { reseal } from "../../src/credentials/reseal.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { rollBack } from "../../src/credentials/rotation.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { eventsOf } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
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
  await sql`truncate credentials cascade`.execute(world.database.owner);
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
});

/** A venue with a rule of its own: keys of `gate` end 90 days after they were made, of `okx` 14 days after their last use. */
function at(id: "gate" | "okx" | "htx", verdict = valid()): void {
  venue = new ScriptedVenue({ id });
  venue.verdict = () => verdict;
  custody = venue.in(world.custody);
}

async function registered(changes: Partial<Registration> = {}) {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const input = { accountId, venue: venue.description.id, environment: "live", fields, ...changes } as const;
  return register(custody, owner, input);
}

/** The key grows older, and a check finds it as it was. */
async function daysPass(id: string, days: number): Promise<void> {
  await sql`update credential_versions set key_since = now() - ${days} * interval '1 day'
    where credential_id = ${id} and state = 'current'`.execute(world.database.owner);
  await checkHealth(custody, { tenant_id: tenant.id, id });
}

/** No check reaches it. */
async function daysPassUnchecked(id: string, days: number): Promise<void> {
  await sql`update credentials set last_validated_at = now() - ${days} * interval '1 day' where id = ${id}`.execute(
    world.database.owner,
  );
}

/** Twice, because the second time there must be nothing to say. */
async function warned(id: string): Promise<readonly unknown[]> {
  await warnExpiring(custody);
  await warnExpiring(custody);
  const events = await eventsOf(custody.db, owner, id);
  return events
    .filter(({ event }) => event === "credential.expiring")
    .map(({ detail: { days, estimated } }) => ({ days, estimated }));
}

async function daysLeft({ id }: Readonly<{ id: string }>): Promise<number | null> {
  const { estimated_expires_at: end } = await healthOf(custody, owner, id, 1);
  return end === null ? null : Math.round((new Date(end).getTime() - Date.now()) / dayMs);
}

describe("a key that its venue ends some days after it was made", () => {
  test("is warned of 14, 7 and 1 days before it ends at the latest, and the warning says that this is an estimate", async () => {
    at("gate");
    const { id } = await registered();
    for (const [age, expected] of [
      [75, []],
      [76.1, [14]],
      [80, [14]],
      [83.1, [14, 7]],
      [89.1, [14, 7, 1]],
      [91, [14, 7, 1]],
    ] as const) {
      await daysPass(id, age);
      const warnings = expected.map((days) => ({ days, estimated: true }));
      expect(await warned(id), `after ${age} days`).toEqual(warnings);
    }
  });

  test("is shown with the rule, where it was read, and the date", async () => {
    at("gate");
    const credential = await registered();
    expect(await daysLeft(credential)).toBe(90);
    expect(await healthOf(custody, owner, credential.id, 1)).toMatchObject({
      expires_at: null,
      venue_rule: {
        days: 90,
        counted_from: "creation",
        applies: "yes",
        source: expect.stringMatching(/^https:/),
      },
    });
  });

  test("is not concerned when it is bound to an address, or where it is for tests", async () => {
    at("gate", valid({ permissions: { boundIps: ["192.0.2.1"] } }));
    const bound = await registered();
    const forTests = await registered({ environment: "paper" });
    for (const { id } of [bound, forTests]) {
      await daysPass(id, 80);
      expect(await warned(id)).toEqual([]);
      expect(await healthOf(custody, owner, id, 1)).toMatchObject({
        venue_rule: null,
        estimated_expires_at: null,
      });
    }
  });

  test("ends when the venue says so, where the venue says when", async () => {
    at("gate", valid({ expiresAt: new Date(Date.now() + 40 * dayMs).toISOString() }));
    const { id } = await registered();
    await daysPass(id, 80);
    expect(await daysLeft({ id })).toBeNull();
    expect(await warned(id)).toEqual([]);
    venue.verdict = () => valid({ expiresAt: new Date(Date.now() + 5 * dayMs).toISOString() });
    await daysPass(id, 20);
    expect(await warned(id)).toEqual([{ days: 7, estimated: false }]);
  });

  test("is warned of once for each of its dates, whichever comes first", async () => {
    at("gate");
    const { id } = await registered({ expiresAt: new Date(Date.now() + 10 * dayMs) });
    await daysPass(id, 85);
    expect(await warned(id)).toEqual([{ days: 7, estimated: true }]);
    // The estimate was wrong, and the owner's date is still to come.
    await daysPass(id, 95);
    expect(await warned(id)).toEqual([
      { days: 7, estimated: true },
      { days: 14, estimated: false },
    ]);
  });
});

describe("an estimate", () => {
  test("ends nothing when it has passed, as a date does that somebody told", async () => {
    at("gate");
    const estimated = await registered();
    const told = await registered({ label: "told" });
    await daysPass(estimated.id, 200);
    expect(await daysLeft(estimated)).toBe(-110);
    await forge(
      world,
      { kind: "credentials", tenantId: owner.tenantId, id: told.id },
      sql`update credentials set owner_expires_at = now() - interval '1 second' where id = ${told.id}`,
    );
    const use = ({ id }: Readonly<{ id: string }>) =>
      withSecret(custody, owner, { id }, () => Promise.resolve("used"));
    await expect(use(estimated)).resolves.toBe("used");
    await expect(use(told)).rejects.toMatchObject({ facts: { reason: "expired" } });
    expect(await expireDue(custody)).toEqual({ done: 1, failed: 0 });
    expect(await show(custody, owner, estimated.id)).toMatchObject({ status: "active", revision: 1 });
    expect(await show(custody, owner, told.id)).toMatchObject({ status: "expired" });
  });

  test("is as old as the key, in whichever version: sealing makes it no younger, a rotation begins anew, rolling back does not", async () => {
    at("gate");
    const credential = await registered();
    await daysPass(credential.id, 60);
    await reseal(custody, tenant.id, credential.id);
    expect(await daysLeft(credential)).toBe(30);
    const { revision } = await show(custody, owner, credential.id);
    const fields = secretFields({ api_key: "new", api_secret: "secret" });
    const rotated = await rotate(custody, owner, credential.id, revision, { fields });
    expect(await daysLeft(credential)).toBe(90);
    await rollBack(custody, owner, credential.id, rotated.credential.revision);
    expect(await daysLeft(credential)).toBe(30);
  });

  test("of the old key warns of nothing once there is a new one, checked or not", async () => {
    at("gate");
    const { id, revision } = await registered();
    await daysPass(id, 80);
    await rotate(custody, owner, id, revision, {
      fields: secretFields({ api_key: "new", api_secret: "secret" }),
    });
    expect(await warned(id)).toEqual([]);
  });
});

describe("a key that its venue ends when it is not used", () => {
  test("is kept alive by the checks, and nobody is warned", async () => {
    at("okx");
    const { id } = await registered();
    await checkHealth(custody, { tenant_id: tenant.id, id });
    expect(await daysLeft({ id })).toBe(14);
    expect(await warned(id)).toEqual([]);
  });

  test.each(["switched off", "frozen"] as const)(
    "is warned of when it is %s and the date comes near",
    async (how) => {
      at("okx");
      const { id, revision } = await registered();
      if (how === "frozen") await freeze(custody, owner, id, null);
      else await update(custody, owner, id, revision, { active: false });
      for (const [days, expected] of [
        [1, []],
        [3, [14]],
        [8, [14, 7]],
        [13.5, [14, 7, 1]],
        [15, [14, 7, 1]],
      ] as const) {
        await daysPassUnchecked(id, days);
        const warnings = expected.map((ahead) => ({ days: ahead, estimated: true }));
        expect(await warned(id), `${days} days later`).toEqual(warnings);
      }
    },
  );

  test("is not concerned without the rights that the rule is about", async () => {
    at("okx", valid({ permissions: { trade: "no" } }));
    const { id, revision } = await registered();
    await update(custody, owner, id, revision, { active: false });
    await daysPassUnchecked(id, 13);
    expect(await warned(id)).toEqual([]);
    expect(await healthOf(custody, owner, id, 1)).toMatchObject({ venue_rule: null });
  });
});

test("where the venue does not tell what its rule depends on, the rule is shown and no date is made up", async () => {
  at("htx", valid({ permissions: { trade: "unknown", boundIps: null } }));
  const { id, revision } = await registered();
  await update(custody, owner, id, revision, { active: false });
  await daysPassUnchecked(id, 85);
  expect(await healthOf(custody, owner, id, 1)).toMatchObject({
    venue_rule: { days: 90, counted_from: "last_use", applies: "unknown" },
    estimated_expires_at: null,
  });
  expect(await warned(id)).toEqual([]);
});
