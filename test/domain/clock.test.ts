import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Custody } from "../../src/credentials/custody.ts";
import { deleteAccount } from "../../src/credentials/erase.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { startClock } from "../../src/jobs/clock.ts";
import { createStores } from "../../src/stores/open.ts";
import { createLog, type Log } from "../../src/telemetry/log.ts";
import { createMetrics, type Metrics } from "../../src/telemetry/metrics.ts";
import { suspendTenant, updatePolicy } from "../../src/tenants/tenant.ts";
import { countRows } from "../../testkit/record.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let metrics: Metrics;
let log: Log;
const lines: string[] = [];

beforeAll(async () => {
  world = await createWorld();
  metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  log = createLog("debug", { write: (line: string) => void lines.push(line) });
});
afterAll(() => world.close());
afterEach(() => suspendTenant(world.custody.db, world.operator, tenant.id));

/** A pending credential, which the clock asks the venue about. */
async function pending(custody: Custody, label = "default") {
  const { owner } = tenant;
  const accountId = await world.createAccount(owner);
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const place = { accountId, venue: "scripted", environment: "live", label, fields } as const;
  const { id } = await register(custody, owner, { ...place, validation: "deferred" });
  return { id, accountId, now: () => show(custody, owner, id) };
}

async function begin() {
  tenant = await world.createTenant();
  await updatePolicy(world.custody.db, tenant.owner, { allow_deferred: true });
  const venue = new ScriptedVenue();
  return { venue, custody: venue.in(world.custody) };
}

/** A store that has destroyed nothing before `meanwhile` is over, and what a crash left to be destroyed in it. */
function slowStore(meanwhile: () => Promise<unknown>) {
  const { first } = world.custody.stores;
  const store = { ...first, destroyed: 0 };
  store.destroy = async (ref) => {
    store.destroyed += 1;
    await meanwhile();
    return first.destroy(ref);
  };
  return { store, custody: { ...world.custody, stores: createStores(store) } };
}

async function leaveIntent(): Promise<void> {
  await world.database.ownerPool.query(
    `insert into intents (tenant_id, id, kind, credential_id, version, store, venue, environment, created_at)
     values ($1, $2, 'destroy', $3, 1, 'postgres', 'scripted', 'live', now() - interval '1 hour')`,
    [tenant.id, randomUUID(), randomUUID()],
  );
}

describe("the clock", () => {
  test("does all that time brings, and says when it last did", async () => {
    const { custody } = await begin();
    const asked = await pending(custody);
    const gone = await pending(custody);
    await deleteAccount(custody, tenant.owner, gone.accountId);
    const clock = startClock({ custody, log, metrics });
    await clock.tick();
    await clock.stop();
    expect(await asked.now()).toMatchObject({ status: "active" });
    expect(await countRows(world.database.owner)).toMatchObject({ accounts: 1 });
    const { values } = await metrics.jobRuns.get();
    const jobs = values.filter(({ labels, value }) => labels["outcome"] === "ok" && value > 0);
    expect(jobs.map(({ labels }) => labels["job"])).toEqual(
      expect.arrayContaining(["reconcile", "erase-tenants", "check-health"]),
    );
  });

  test("of two processes does in one at a time what is done alone, and rounds do not pile up", async () => {
    await begin();
    await leaveIntent();
    const release = Promise.withResolvers<undefined>();
    const asked = Promise.withResolvers<undefined>();
    const { store, custody } = slowStore(() => {
      asked.resolve(undefined);
      return release.promise;
    });
    const [first, second] = [1, 2].map(() => startClock({ custody, log, metrics }));
    const running = first?.tick();
    await asked.promise;
    await leaveIntent();
    const again = first?.tick();
    await second?.tick();
    expect(store.destroyed, "neither another round nor another process begins with it").toBe(1);
    release.resolve(undefined);
    await Promise.all([running, again]);
    await second?.tick();
    expect(store.destroyed, "the control: now it does it").toBe(2);
    await Promise.all([first?.stop(), second?.stop()]);
  });

  test("shares the checks: what one process has in hand holds up no other", async () => {
    const { venue, custody } = await begin();
    await pending(custody, "one");
    const release = Promise.withResolvers<undefined>();
    const asked = Promise.withResolvers<undefined>();
    venue.verdict = async () => {
      asked.resolve(undefined);
      await release.promise;
      return valid();
    };
    const [first, second] = [1, 2].map(() => startClock({ custody, log, metrics }));
    const running = first?.tick();
    await asked.promise;
    const another = await pending(custody, "another");
    venue.verdict = () => valid();
    await second?.tick();
    expect(venue.inspections, "the second asked about the other one alone").toBe(2);
    expect(await another.now()).toMatchObject({ status: "active" });
    release.resolve(undefined);
    await running;
    expect(venue.inspections).toBe(2);
    await Promise.all([first?.stop(), second?.stop()]);
  });

  test("goes on with the others when one fails, and says so", async () => {
    const { venue, custody } = await begin();
    const ids = await Promise.all(["one", "two", "three"].map((label) => pending(custody, label)));
    const [bad] = ids;
    // Sealed bytes that do not open: this one's validation fails, and no other's.
    await world.database.ownerPool.query(
      "update sealed_secrets set sealed = '\\x00' where credential_id = $1",
      [bad?.id],
    );
    lines.length = 0;
    const clock = startClock({ custody, log, metrics });
    await clock.tick();
    await clock.stop();
    expect(venue.inspections).toBe(2);
    expect(await Promise.all(ids.map(async ({ now }) => (await now()).status))).toEqual([
      "pending",
      "active",
      "active",
    ]);
    expect(lines.join("")).toContain('"job":"check-health","count":1');
  });

  test("takes a lane from a process that died when its lease is over, and says why a round could not be made", async () => {
    await begin();
    await leaveIntent();
    const { store, custody } = slowStore(() => Promise.resolve());
    const { ownerPool } = world.database;
    await ownerPool.query("insert into clock_lanes values ('intents', $1, now() + interval '1 hour')", [
      randomUUID(),
    ]);
    const clock = startClock({ custody, log, metrics });
    lines.length = 0;
    await clock.tick();
    expect(store.destroyed, "somebody is at it").toBe(0);
    expect(lines.join(""), "which is no fault").not.toContain("could not be made");
    await ownerPool.query("update clock_lanes set leased_until = now() where lane = 'intents'");
    await clock.tick();
    expect(store.destroyed).toBe(1);
    expect((await ownerPool.query("select from clock_lanes")).rowCount, "nothing is held").toBe(0);

    const takeLane = "execute on function clock.take_lane(text, uuid, interval)";
    await ownerPool.query(`revoke ${takeLane} from keyhold_app`);
    await clock.tick();
    await ownerPool.query(`grant ${takeLane} to keyhold_app`);
    expect(lines.join("")).toMatch(/could not be made.*"job":"intents"|"job":"intents".*could not be made/);
    await clock.stop();
  });
});
