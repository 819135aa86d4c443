import { fork } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { checkDue, dueChecks } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { healthOf, healthSummary } from "../../src/credentials/health.ts";
import { register } from "../../src/credentials/register.ts";
import type { CallTarget } from "../../src/venues/venue.ts";
import { plainConnection } from "../../testkit/connection.ts";
import { makeDue } from "../../testkit/due.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";
import type { Task } from "./checks-child.ts";

let world: World;
let owner: Member;
let accountId: string;
let custody: Custody;
/** Fast, for tests. */
const pace = { atOnce: 8, perSecond: 10_000 };

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  await sql`truncate credentials cascade`.execute(world.database.owner);
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
  custody = new ScriptedVenue().in(world.custody);
});

/** Credentials of one account, each with another key, all due. */
async function lotDue(count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const fields = secretFields({ api_key: `key-${number}`, api_secret: "secret" });
    const place = { accountId, venue: "scripted", environment: "live", label: String(number) } as const;
    ids.push((await register(custody, owner, { ...place, fields })).id);
  }
  await makeDue(world);
  return ids;
}

const keyOf = ({ fields }: CallTarget) =>
  fields.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString()) ?? "";

/** What a process does that dies before it has noted anything: its leases pass. */
async function letLeasesPass(): Promise<void> {
  await sql`update credentials set check_leased_until = now() where check_leased_until > now()`.execute(
    world.database.owner,
  );
}

/** How often two workers ask about each key, neither of which gets an answer before both have asked. */
async function askedByTwo(): Promise<Map<string, number>> {
  const asked = new Map<string, number>();
  const both = Promise.withResolvers<undefined>();
  const workers = [new ScriptedVenue(), new ScriptedVenue()];
  for (const venue of workers) {
    venue.verdict = async (target) => {
      const key = keyOf(target);
      asked.set(key, (asked.get(key) ?? 0) + 1);
      if (workers.every(({ inspections }) => inspections > 0)) both.resolve(undefined);
      await both.promise;
      return valid();
    };
  }
  await Promise.all(workers.map((venue) => checkDue(venue.in(world.custody), pace)));
  return asked;
}

/** Runs with another way to claim in the place of the database's. */
async function withClaim(body: string, work: () => Promise<void>): Promise<void> {
  const { owner: admin } = world.database;
  const { rows } = await sql<{ text: string }>`
    select pg_get_functiondef('clock.claim_checks'::regproc) as text`.execute(admin);
  await sql
    .raw(`create or replace function clock.claim_checks(venue text, most integer, lease interval)
      returns table (tenant_id uuid, id uuid) language sql security definer set search_path = pg_catalog, pg_temp
      as $$ ${body} $$`)
    .execute(admin);
  try {
    await work();
  } finally {
    await sql.raw(rows[0]?.text ?? "").execute(admin);
  }
}

describe("of two workers that check at once", () => {
  test("each due credential is asked about by one of them, once", async () => {
    await lotDue(50);
    const asked = await askedByTwo();
    expect(asked.size).toBe(50);
    expect([...asked.values()].every((times) => times === 1)).toBe(true);
  });

  test("the control: without leases both ask about the same", async () => {
    await lotDue(5);
    const list = "select d.* from clock.due_checks(claim_checks.venue, claim_checks.most) d";
    await withClaim(list, async () => {
      const asked = await askedByTwo();
      expect([...asked.values()].some((times) => times > 1)).toBe(true);
    });
  });
});

/** A worker that is killed when it is in the middle of four checks. */
async function killWorker(): Promise<void> {
  const task: Task = {
    connection: plainConnection(world.database.connection("keyhold_app")),
    keyFile: world.keyFile,
  };
  const child = fork(join(import.meta.dirname, "checks-child.ts"), [JSON.stringify(task)], {
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(world.keyFile), "compiled") },
  });
  await once(child, "message");
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

describe("a worker that is killed in the middle", () => {
  test("leaves nothing behind that is not checked again", async () => {
    const ids = await lotDue(12);
    await killWorker();
    expect(await checkDue(custody, pace), "as long as its leases last").toEqual({ done: 0, failed: 0 });
    await letLeasesPass();
    expect(await checkDue(custody, pace)).toEqual({ done: 12, failed: 0 });
    for (const id of ids) expect((await healthOf(custody, owner, id, 10)).checks).toHaveLength(1);
  });

  test("the control: of one that moves the date before it asks, nobody checks anything again", async () => {
    await lotDue(12);
    await sql`grant update (next_check_at) on credentials to keyhold_recorder`.execute(world.database.owner);
    const moveTheDate = `update public.credentials c set next_check_at = now() + interval '6 hours'
      where c.next_check_at <= now() returning c.tenant_id, c.id`;
    await withClaim(moveTheDate, killWorker);
    await letLeasesPass();
    expect(await checkDue(custody, pace)).toEqual({ done: 0, failed: 0 });
  });
});

describe("a check that cannot be made", () => {
  /** Sealed bytes that do not open. */
  const spoil = (id: string | undefined) =>
    world.database.ownerPool.query("update sealed_secrets set sealed = '\\x00' where credential_id = $1", [
      id,
    ]);

  test("is tried in the next round, not again in this one, and behind what was not tried yet", async () => {
    const [bad, ...good] = await lotDue(3);
    await spoil(bad);
    const { oldest_due_at } = await healthSummary(custody, owner);
    expect(await checkDue(custody, pace)).toEqual({ done: 2, failed: 1 });
    expect(await checkDue(custody, pace), "within the time of the round").toEqual({ done: 0, failed: 0 });
    const { rows } = await sql<{ soon: boolean }>`
      select check_leased_until <= now() + interval '50 seconds' as soon from credentials where id = ${bad}`.execute(
      world.database.owner,
    );
    expect(rows, "before the next round of any worker that tried it").toEqual([{ soon: true }]);
    expect(await healthSummary(custody, owner), "it is known how long it has waited").toMatchObject({
      oldest_due_at,
    });
    await letLeasesPass();
    await sql`update credentials set next_check_at = now() - interval '1 minute' where id <> ${bad}`.execute(
      world.database.owner,
    );
    const due = (await dueChecks(custody.db, 10)).map(({ id }) => id);
    expect(due).toHaveLength(3);
    expect(due.at(-1)).toBe(bad);
    expect(due).toEqual(expect.arrayContaining(good));
  });
});

test("what a round does not come to is due at once", async () => {
  await lotDue(10);
  const venue = new ScriptedVenue();
  const roundMs = 200;
  venue.verdict = async () => {
    await sleep(roundMs);
    return valid();
  };
  const { done, failed } = await checkDue(venue.in(custody), { ...pace, atOnce: 1 }, roundMs);
  expect(failed).toBe(0);
  expect(done).toBeLessThan(2);
  expect(await dueChecks(custody.db, 20)).toHaveLength(10 - done);
});
