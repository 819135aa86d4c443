import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Custody } from "../../src/credentials/custody.ts";
import { register } from "../../src/credentials/register.ts";
import { schedule } from "../../src/credentials/rotation-at-venue/schedule.ts";
import { type ClockOptions, startClock } from "../../src/jobs/clock.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { nameIn, ScriptedSubAccount } from "../../testkit/scripted-keys.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const never = 3_600_000;

/** A venue that makes no key for the parent key `hangs` until it is released, and says at once that it is away to all others. */
function hangingVenue() {
  const released = Promise.withResolvers<undefined>();
  const asked: string[] = [];
  const account = new ScriptedSubAccount();
  const plainly = <T>(_name: string, _kind: "read" | "write", work: () => Promise<T>): Promise<T> => work();
  const management = account.management(plainly);
  const venue = account.venue(plainly);
  venue.verdict = account.venue(plainly).verdict;
  const keys = {
    ...management,
    async create({ parent }: Parameters<typeof management.create>[0]) {
      const name = nameIn(parent);
      asked.push(name);
      if (name.startsWith("hangs")) await released.promise;
      return { outcome: "venue_unavailable", message: "Scripted: away." } as const;
    },
  };
  for (const name of ["hangs", "hangs too", "answers", "sub"]) account.keys.set(name, "");
  const custody: Custody = { ...venue.in(world.custody), venueKeys: () => keys };
  return { custody, asked, release: () => released.resolve(undefined) };
}

async function registered(custody: Custody, { owner }: Tenant, apiKey: string, label = apiKey) {
  const accountId = await world.createAccount(owner);
  const fields = secretFields({ api_key: apiKey, api_secret: "secret" });
  const input = { accountId, venue: "scripted", environment: "live", label, fields } as const;
  return (await register(custody, owner, input)).id;
}

/** Keys of one parent that are to be rotated now. */
async function scheduled(custody: Custody, tenant: Tenant, parent: string, count: number): Promise<void> {
  const parentId = await registered(custody, tenant, parent);
  for (let n = 0; n < count; n += 1) {
    const id = await registered(custody, tenant, "sub", `sub ${n}`);
    await schedule(custody, tenant.owner, id, { parentId, everyDays: 30, nextAt: new Date(0) });
  }
}

function clockOf(custody: Custody, options: ClockOptions = {}) {
  const metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  const clock = startClock({ custody, log: createLog("silent"), metrics }, { everyMs: never, ...options });
  const runs = async (job: string): Promise<number> => {
    const { values } = await metrics.jobRuns.get();
    return values.find(({ labels }) => labels["job"] === job)?.value ?? 0;
  };
  const age = async (job: string): Promise<number> => {
    const text = await metrics.registry.metrics();
    return Number(new RegExp(`keyhold_job_age_seconds\\{job="${job}"\\} (\\S+)`).exec(text)?.[1]);
  };
  return { clock, runs, age };
}

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

const quick = ["expire-credentials", "finish-rotations", "check-health", "reconcile", "forget-history"];

describe("while one tenant's rotations hang at their venue", () => {
  test("the steps of others are taken, every other lane goes on, and the age of the job that hangs grows", async () => {
    const { custody, asked, release } = hangingVenue();
    const [hostile, other] = [await world.createTenant(), await world.createTenant()];
    await scheduled(custody, hostile, "hangs", 8);
    await scheduled(custody, other, "answers", 2);
    const { clock, runs, age } = clockOf(custody);
    const first = clock.tick();
    await until(() => asked.filter((name) => name === "answers").length === 2);
    expect(
      asked.filter((name) => name === "hangs"),
      "one step at a time with one parent key",
    ).toHaveLength(1);
    await until(async () => {
      void clock.tick();
      return (await Promise.all(quick.map(runs))).every((count) => count >= 3);
    });
    expect(await runs("rotate-at-venues")).toBe(0);
    const before = await age("rotate-at-venues");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await age("rotate-at-venues")).toBeGreaterThan(before);
    release();
    await first;
    await clock.stop();
    expect(await runs("rotate-at-venues")).toBe(1);
    expect(await age("rotate-at-venues")).toBeLessThan(await age("begin-rotations"));
  });

  test("the control: lanes with one round in common do not begin again", async () => {
    await sql`delete from venue_rotations`.execute(world.database.owner);
    const { custody, asked, release } = hangingVenue();
    await scheduled(custody, await world.createTenant(), "hangs too", 1);
    const { clock, runs } = clockOf(custody, { lanesApart: false });
    const first = clock.tick();
    await until(async () => asked.length > 0 && (await Promise.all(quick.map(runs))).every((n) => n === 1));
    const second = clock.tick();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await Promise.all(quick.map(runs))).toEqual(quick.map(() => 1));
    release();
    await Promise.all([first, second]);
    await clock.stop();
  });
});

describe("what the clock lists", () => {
  test("begins with the first of each tenant, however much of one is due longer", async () => {
    const { owner } = world.database;
    await sql.raw("delete from venue_rotations; delete from intents").execute(owner);
    await sql
      .raw(`
      set session_replication_role = replica;
      create temporary table ids as select gen_random_uuid() as id, gen_random_uuid() as much, gen_random_uuid() as little;
      insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store)
        select case when n > 300 then ids.little else ids.much end, gen_random_uuid(), id, id, 'scripted', 'live', n::text, 'active', 'postgres'
        from ids, generate_series(1, 301) n;
      insert into venue_rotations (tenant_id, id, credential_id, parent_id, stage, due_at)
        select c.tenant_id, gen_random_uuid(), c.id, c.id, 'creating',
          now() - case when c.tenant_id = ids.little then interval '1 second' else interval '1 day' end
        from credentials c, ids where c.tenant_id in (ids.much, ids.little);
      insert into intents (tenant_id, id, kind, credential_id, version, store, venue, environment, created_at)
        select v.tenant_id, v.id, 'destroy', v.credential_id, 1, 'postgres', 'scripted', 'live', v.due_at - interval '1 hour'
        from venue_rotations v;
      set session_replication_role = origin`)
      .execute(owner);
    for (const list of ["clock.due_venue_rotations(200)", "clock.stale_intents('1 minute', 200)"]) {
      const { rows } = await sql<{ tenant_id: string }>`select * from ${sql.raw(list)}`.execute(
        world.database.app,
      );
      expect(rows.length, list).toBeGreaterThan(100);
      expect(new Set(rows.slice(0, 2).map(({ tenant_id }) => tenant_id)).size, list).toBe(2);
    }
  });
});
