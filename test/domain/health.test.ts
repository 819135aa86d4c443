import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { checkDue, checkHealth } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { warnExpiring } from "../../src/credentials/expiry.ts";
import { healthOf, healthSummary } from "../../src/credentials/health.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { update } from "../../src/credentials/update.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import { makeDue } from "../../testkit/due.ts";
import { eventNames } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;
/** Fast, for tests. */
const pace = { atOnce: 8, perSecond: 10_000 };

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await sql`truncate credentials cascade`.execute(world.database.owner);
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

async function registered(label = "default") {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  return register(custody, owner, { accountId, venue: "scripted", environment: "live", label, fields });
}

async function lotRegistered(count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let number = 0; number < count; number += 1) ids.push((await registered(String(number))).id);
  return ids;
}

describe("the checks", () => {
  test("ask about every active credential at its time, used or not, and not before", async () => {
    const ids = await lotRegistered(3);
    const asked = venue.inspections;
    expect(await checkDue(custody, pace)).toEqual({ done: 0, failed: 0 });
    await makeDue(world);
    expect(await checkDue(custody, pace)).toEqual({ done: 3, failed: 0 });
    expect(venue.inspections - asked).toBe(3);
    expect(await checkDue(custody, pace)).toEqual({ done: 0, failed: 0 });
    for (const id of ids) {
      const { next_check_at, checks } = await healthOf(custody, owner, id, 10);
      const hours = (new Date(next_check_at ?? 0).getTime() - Date.now()) / 3_600_000;
      expect(hours).toBeGreaterThan(5.3);
      expect(hours).toBeLessThan(6.7);
      expect(checks).toMatchObject([{ purpose: "health", outcome: "valid", status: "active" }]);
    }
  });

  test("keep to the tenant's interval", async () => {
    await updatePolicy(custody.db, owner, { check_minutes: 15 });
    const { id } = await registered();
    await checkHealth(custody, { tenant_id: tenant.id, id });
    const { next_check_at } = await healthOf(custody, owner, id, 1);
    const minutes = (new Date(next_check_at ?? 0).getTime() - Date.now()) / 60_000;
    expect(minutes).toBeGreaterThan(13);
    expect(minutes).toBeLessThan(17);
  });

  test("that find nothing new leave the revision, and those that do raise it", async () => {
    const { id } = await registered();
    await checkHealth(custody, { tenant_id: tenant.id, id });
    expect(await show(custody, owner, id)).toMatchObject({ revision: 1 });
    venue.verdict = () => valid({ permissions: { trade: "no" } });
    await checkHealth(custody, { tenant_id: tenant.id, id });
    expect(await show(custody, owner, id)).toMatchObject({ revision: 2, permissions: { trade: "no" } });
    expect(await eventNames(custody.db, owner, id)).toContain("credential.permissions_changed");
  });

  test("leave a switched-off credential alone", async () => {
    const { id } = await registered();
    await update(custody, owner, id, 1, { active: false });
    await makeDue(world);
    expect(await checkDue(custody, pace)).toEqual({ done: 0, failed: 0 });
    expect(await healthOf(custody, owner, id, 1)).toMatchObject({ next_check_at: null });
  });

  test("of a venue that is down for a day change nothing, and go on when it is back", async () => {
    const { id } = await registered();
    venue.verdict = () => ({ outcome: "venue_unavailable", message: "Scripted: away." });
    for (let time = 0; time < 12; time += 1) {
      await makeDue(world);
      await checkDue(custody, pace);
    }
    expect(await show(custody, owner, id)).toMatchObject({
      status: "active",
      health: "healthy",
      revision: 1,
    });
    venue.verdict = () => valid();
    await makeDue(world);
    await checkDue(custody, pace);
    const { checks } = await healthOf(custody, owner, id, 50);
    expect(checks.map(({ outcome }) => outcome)).toEqual([
      "valid",
      ...Array<string>(12).fill("venue_unavailable"),
    ]);
  });

  test("count a credential that gained a forbidden right as degraded, and still usable", async () => {
    const { id } = await registered();
    venue.verdict = () => valid({ permissions: { withdraw: "yes" } });
    await checkHealth(custody, { tenant_id: tenant.id, id });
    expect(await show(custody, owner, id)).toMatchObject({ status: "active", health: "degraded" });
    expect(await eventNames(custody.db, owner, id)).toContain("credential.degraded");
  });
});

describe("before a credential expires", () => {
  const day = 86_400_000;
  async function expiresIn(id: string, days: number): Promise<void> {
    const at = new Date(Date.now() + days * day);
    const row = { kind: "credentials", tenantId: owner.tenantId, id } as const;
    await forge(world, row, sql`update credentials set owner_expires_at = ${at} where id = ${id}`);
  }
  const warnings = async (id: string) =>
    (await eventNames(custody.db, owner, id)).filter((name) => name === "credential.expiring").length;

  test("its owner is warned once each, 14, 7 and 1 days ahead, and again of a date that was moved", async () => {
    const { id } = await registered();
    for (const [days, expected] of [
      [15, 0],
      [13.9, 1],
      [10, 1],
      [6.9, 2],
      [2, 2],
      [0.9, 3],
      [13, 4],
      [6, 5],
    ] as const) {
      await expiresIn(id, days);
      await warnExpiring(custody);
      await warnExpiring(custody);
      expect(await warnings(id), `${days} days ahead`).toBe(expected);
    }
  });

  test("who was not warned before gets one warning, not three", async () => {
    const { id } = await registered();
    await expiresIn(id, 0.5);
    await warnExpiring(custody);
    expect(await warnings(id)).toBe(1);
  });
});

test("the summary counts what the caller may see", async () => {
  await lotRegistered(2);
  const trader = await tenant.addMember("trader");
  expect(await healthSummary(custody, trader)).toMatchObject({ items: [] });
  await makeDue(world);
  expect((await healthSummary(custody, owner)).oldest_due_at).not.toBeNull();
  await checkDue(custody, pace);
  expect(await healthSummary(custody, owner)).toEqual({
    items: [{ venue: "scripted", status: "active", health: "healthy", count: 2 }],
    checks: { count: 2, refused: 0, undecided: 0 },
    oldest_due_at: null,
    expiring: 0,
  });
});
