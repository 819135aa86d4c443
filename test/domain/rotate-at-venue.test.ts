import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey, KeyOptions } from "../../simulator/control.ts";
import { fault } from "../../simulator/faults.ts";
import type { Member } from "../../src/access/principal.ts";
import { listVersions } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { schedule, showSchedule, unschedule } from "../../src/credentials/rotation-at-venue/schedule.ts";
import { beginDue, stepDue } from "../../src/credentials/rotation-at-venue/step.ts";
import { finishDueRotations, finishRotation, rollBack } from "../../src/credentials/rotation.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { eventNames } from "../../testkit/record.ts";
import { addParentKey, addSubKey, type KeyVenue, keyVenues } from "../../testkit/sub-accounts.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let accountId: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  world.simulator.control.reset();
  await sql`delete from rotation_schedules`.execute(world.database.owner);
  await sql`delete from venue_rotations`.execute(world.database.owner);
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
});

async function registered(venue: KeyVenue, label: string, { apiKey, apiSecret, passphrase }: IssuedKey) {
  const fields = secretFields({
    api_key: apiKey,
    api_secret: apiSecret,
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  const policy = { reveal: true };
  return register(world.custody, owner, { accountId, venue, environment: "live", label, fields, policy });
}

type Pair = Readonly<{ id: string; parentId: string; first: IssuedKey }>;

/** A sub-account's key that is to be rotated now, and the parent key that makes its successors. */
async function scheduled(
  venue: KeyVenue,
  given: Readonly<{ parent?: KeyOptions; sub?: KeyOptions }> = {},
): Promise<Pair> {
  const parent = addParentKey(world.simulator, venue, given.parent);
  const first = addSubKey(world.simulator, venue, given.sub);
  const { id: parentId } = await registered(venue, "parent", parent);
  const { id } = await registered(venue, "sub", first);
  await schedule(world.custody, owner, id, { parentId, everyDays: 30, nextAt: new Date(0) });
  return { id, parentId, first };
}

/** One round of the clock, as if all that is waited for had passed. */
async function tick(): Promise<void> {
  const { owner: db } = world.database;
  await sql`update venue_rotations set due_at = now()`.execute(db);
  await sql`update rotations set overlap_until = now() where state = 'overlap'`.execute(db);
  expect(await finishDueRotations(world.custody)).toMatchObject({ failed: 0 });
  expect(await beginDue(world.custody)).toMatchObject({ failed: 0 });
  expect(await stepDue(world.custody)).toMatchObject({ failed: 0 });
}

function keyInForce(id: string): Promise<string> {
  return withSecret(world.custody, owner, { id }, (fields) =>
    Promise.resolve(fields.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString()) ?? ""),
  );
}

function keysAt(venue: KeyVenue): readonly string[] {
  return world.simulator.control.keys(venue, "desk01").map(({ apiKey }) => apiKey);
}

const events = (): Promise<readonly string[]> => eventNames(world.custody.db, owner);
const showOf = (id: string) => showSchedule(world.custody, owner, id);
const fail = (venue: KeyVenue, planned: Parameters<World["simulator"]["control"]["fail"]>[1], times = 1) =>
  world.simulator.control.fail(venue, planned, { times, method: "POST" });

describe.each(keyVenues)("a key that is rotated at %s without a person", (venue) => {
  test("is replaced by one like it, and deleted there when its overlap is over", async () => {
    const { id, first } = await scheduled(venue);
    await tick();
    const second = await keyInForce(id);
    expect(second).not.toBe(first.apiKey);
    expect(keysAt(venue)).toEqual([first.apiKey, second]);
    const [old, fresh] = world.simulator.control.keys(venue, "desk01");
    expect(fresh).toMatchObject({ permissions: old?.permissions, boundIps: old?.boundIps });
    expect(await showOf(id)).toMatchObject({
      failures: 0,
      under_way: { stage: "overlap", note: fresh?.label },
    });

    await tick();
    expect(keysAt(venue)).toEqual([second]);
    expect(await keyInForce(id)).toBe(second);
    const { items, rotation } = await listVersions(world.custody, owner, id);
    expect(items.map(({ state }) => state)).toEqual(["current", "destroyed"]);
    expect(rotation?.state).toBe("finished");
    expect(await showOf(id)).toMatchObject({ failures: 0, last_failure: null, under_way: null });
    expect(await events()).toEqual(
      expect.arrayContaining([
        "credential.key_requested",
        "credential.rotation_started",
        "credential.key_created",
        "credential.key_deleted",
        "credential.rotation_finished",
      ]),
    );
  });

  test("is not replaced twice when the answer to the creation is lost", async () => {
    const { id, first } = await scheduled(venue);
    fail(venue, fault.loseAnswer);
    await tick();
    expect(keysAt(venue), "one that nobody has the secret of").toHaveLength(2);
    expect(await keyInForce(id)).toBe(first.apiKey);
    await tick();
    expect(keysAt(venue), "deleted").toEqual([first.apiKey]);
    await tick();
    expect(keysAt(venue)).toEqual([first.apiKey, await keyInForce(id)]);
    expect(keysAt(venue)).toHaveLength(2);
  });

  test("stays in force, and goes at the venue what was made, when the new one is rolled back", async () => {
    const { id, first } = await scheduled(venue);
    await tick();
    await rollBack(world.custody, owner, id, 2);
    expect(await keyInForce(id)).toBe(first.apiKey);
    await tick();
    expect(keysAt(venue)).toEqual([first.apiKey]);
    expect(await showOf(id)).toMatchObject({ failures: 0, under_way: null });
    expect(await events()).toContain("credential.key_withdrawn");
  });
});

describe("an automatic rotation", () => {
  test("uses the parent key for nothing else, and each use stands in the record of both", async () => {
    const { id, parentId } = await scheduled("bybit");
    await tick();
    const { rows } = await sql<{ detail: Record<string, unknown> }>`
      select line::jsonb->'detail' as detail from audit.links l, string_to_table(l.events, E'\n') line
      where l.tenant_id = ${owner.tenantId} and line::jsonb->>'event' = 'credential.used'
        and line::jsonb->'detail'->>'purpose' = 'create_key'`.execute(world.database.owner);
    expect(rows.map(({ detail }) => [detail["credential_id"], detail["for_credential_id"]])).toEqual([
      [parentId, id],
      [id, undefined],
    ]);
  });

  test("happens again after its days, counted from the last, and not before", async () => {
    const { id } = await scheduled("okx");
    await tick();
    await tick();
    const next = new Date((await showOf(id)).next_at).getTime();
    expect(Math.round((next - Date.now()) / 86_400_000)).toBe(30);
    const before = await keyInForce(id);
    await tick();
    expect(await keyInForce(id)).toBe(before);
    await sql`update rotation_schedules set next_at = now()`.execute(world.database.owner);
    await tick();
    expect(await keyInForce(id), "the control").not.toBe(before);
  });

  test("waits with the old key as long as somebody who was shown it was not shown the new one", async () => {
    const { id, first } = await scheduled("gate");
    const look = () => reveal(world.custody, owner, id, "a bot of our own");
    await look();
    await tick();
    await tick();
    await tick();
    expect(keysAt("gate")).toHaveLength(2);
    expect((await events()).filter((name) => name === "credential.rotation_waiting")).toHaveLength(1);
    expect((await listVersions(world.custody, owner, id)).old_version_uses).toMatchObject([
      { how: "revealed", has_new: false },
    ]);
    await look();
    expect((await listVersions(world.custody, owner, id)).old_version_uses).toMatchObject([
      { how: "revealed", has_new: true },
    ]);
    await tick();
    expect(keysAt("gate")).toEqual([await keyInForce(id)]);
    expect(keysAt("gate")).not.toContain(first.apiKey);
  });

  test("waits with the old key while uses fall back to it", async () => {
    const { id } = await scheduled("kucoin");
    await tick();
    await sql`update rotations set fallbacks = 1, last_fallback_at = now() - interval '59 minutes'
      where credential_id = ${id}`.execute(world.database.owner);
    await tick();
    expect(keysAt("kucoin")).toHaveLength(2);
    await sql`update rotations set last_fallback_at = now() - interval '61 minutes'
      where credential_id = ${id}`.execute(world.database.owner);
    await tick();
    expect(keysAt("kucoin")).toHaveLength(1);
  });

  test("is ended at once by a person, and then, too, the old key is deleted at the venue", async () => {
    const { id, first } = await scheduled("binance");
    await tick();
    expect(await finishRotation(world.custody, owner, id)).toMatchObject({ state: "finished" });
    expect(keysAt("binance")).not.toContain(first.apiKey);
    expect((await showOf(id)).under_way).toBeNull();
  });

  test("a person who ends it is told when the old key cannot be deleted, and may leave it there", async () => {
    const { id, first, parentId } = await scheduled("bybit");
    await tick();
    await update(world.custody, owner, parentId, 1, { active: false });
    await expect(finishRotation(world.custody, owner, id)).rejects.toMatchObject({
      code: "credential_inactive",
    });
    expect((await showOf(id)).under_way).toMatchObject({ stage: "overlap" });
    const left = await finishRotation(world.custody, owner, id, { leaveKey: true });
    expect(left).toMatchObject({ state: "finished" });
    expect(keysAt("bybit"), "left at the venue").toContain(first.apiKey);
    expect((await showOf(id)).under_way).toBeNull();
  });

  test("gives way to a rotation by hand", async () => {
    const { id, first } = await scheduled("okx");
    await beginDue(world.custody);
    const other = addSubKey(world.simulator, "okx", { label: "second by hand" });
    const fields = secretFields({
      api_key: other.apiKey,
      api_secret: other.apiSecret,
      passphrase: other.passphrase ?? "",
    });
    await rotate(world.custody, owner, id, 1, { fields });
    await stepDue(world.custody);
    await tick();
    expect(keysAt("okx")).toEqual([first.apiKey, other.apiKey]);
    expect(await keyInForce(id)).toBe(other.apiKey);
    expect((await showOf(id)).under_way).toBeNull();
  });

  test("that is unscheduled while it is under way is brought to its end, and is the last", async () => {
    const { id, first } = await scheduled("gate");
    await tick();
    await unschedule(world.custody, owner, id);
    await tick();
    expect(keysAt("gate")).not.toContain(first.apiKey);
    await expect(showOf(id)).rejects.toMatchObject({ code: "not_found" });
    await expect(unschedule(world.custody, owner, id)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe("an automatic rotation that fails", () => {
  test("because the parent key lacks the right leaves the old key in force, tells of it, and tries again in a day", async () => {
    const { id, first } = await scheduled("bybit", {
      parent: { permissions: { trade: false, transfer: false } },
    });
    await tick();
    expect(await keyInForce(id)).toBe(first.apiKey);
    expect(keysAt("bybit")).toEqual([first.apiKey]);
    const { failures, last_failure, next_at, under_way } = await showOf(id);
    const reason = "parent_lacks_permission";
    expect({ failures, reason: last_failure?.reason, under_way }).toEqual({
      failures: 1,
      reason,
      under_way: null,
    });
    expect(Math.round((new Date(next_at).getTime() - Date.now()) / 3_600_000)).toBe(24);
    expect(await events()).toContain("credential.rotation_failed");
  });

  test("because the parent key is of another main account leaves the old key in force, and is given up", async () => {
    const { id, first } = await scheduled("bybit", { parent: { account: "another" } });
    await tick();
    expect((await showOf(id)).under_way, "in words that tell nothing").toMatchObject({
      stage: "withdrawing",
    });
    for (let attempt = 1; attempt <= 11; attempt += 1) await tick();
    expect(await showOf(id)).toMatchObject({ failures: 1, under_way: null });
    expect(await keyInForce(id)).toBe(first.apiKey);
  });

  test("while the venue cannot be asked changes nothing and is repeated, and after hours somebody is told", async () => {
    const { id, first } = await scheduled("okx");
    fail("okx", fault.html(503), 50);
    for (let attempt = 1; attempt <= 10; attempt += 1) {
      await tick();
      expect((await showOf(id)).under_way).toMatchObject({ stage: "creating", attempts: attempt });
    }
    expect(await events()).not.toContain("credential.rotation_failed");
    await tick();
    expect(await showOf(id)).toMatchObject({ failures: 1, under_way: { stage: "withdrawing" } });
    await tick();
    expect(await showOf(id)).toMatchObject({ under_way: null });
    expect(keysAt("okx")).toEqual([first.apiKey]);
  });

  test("because the new key may do more than the old one has it deleted at once", async () => {
    const { id, first } = await scheduled("gate");
    await sql`update credentials set permissions = jsonb_set(permissions, '{trade}', '"no"')
      where id = ${id}`.execute(world.database.owner);
    await tick();
    expect(await showOf(id)).toMatchObject({ under_way: { stage: "withdrawing" } });
    expect(await keyInForce(id)).toBe(first.apiKey);
    await tick();
    expect(keysAt("gate")).toEqual([first.apiKey]);
    expect(await showOf(id)).toMatchObject({ failures: 1, last_failure: { reason: "wider_permissions" } });
  });

  test("is not begun for a credential that is switched off or revoked", async () => {
    const { id } = await scheduled("bybit");
    await update(world.custody, owner, id, 1, { active: false });
    await tick();
    expect((await showOf(id)).under_way).toBeNull();
    await revoke(world.custody, owner, id);
    await sql`update rotation_schedules set next_at = now()`.execute(world.database.owner);
    await tick();
    expect((await showOf(id)).under_way).toBeNull();
    expect(keysAt("bybit")).toHaveLength(1);
  });
});

describe("a schedule", () => {
  test("without a parent key reminds its owner when it is time, and again after a week", async () => {
    const first = addSubKey(world.simulator, "okx");
    const { id } = await registered("okx", "sub", first);
    await schedule(world.custody, owner, id, { parentId: null, everyDays: 90, nextAt: new Date(0) });
    await tick();
    await tick();
    expect((await events()).filter((name) => name === "credential.rotation_due")).toHaveLength(1);
    const next = new Date((await showOf(id)).next_at).getTime();
    expect(Math.round((next - Date.now()) / 86_400_000)).toBe(7);
    expect(keysAt("okx")).toEqual([first.apiKey]);
  });

  test("is refused where the venue makes no keys, and for a parent that cannot be one", async () => {
    const { id, parentId } = await scheduled("okx");
    const of = (credential: string, parent: string) =>
      schedule(world.custody, owner, credential, { parentId: parent, everyDays: 30 });
    await expect(of(id, id)).rejects.toMatchObject({ code: "malformed" });
    const elsewhere = await registered("bybit", "elsewhere", addParentKey(world.simulator, "bybit"));
    await expect(of(id, elsewhere.id)).rejects.toMatchObject({ code: "malformed" });
    await expect(of(id, crypto.randomUUID())).rejects.toMatchObject({ code: "not_found" });
    const { owner: stranger } = await world.createTenant();
    const foreign = schedule(world.custody, stranger, id, { parentId, everyDays: 30 });
    await expect(foreign).rejects.toMatchObject({ code: "not_found" });
    expect(await of(id, parentId)).toMatchObject({ parent_credential_id: parentId });
  });

  test("whose parent key is deleted becomes a reminder", async () => {
    const { id, parentId } = await scheduled("okx");
    await sql`delete from credentials where id = ${parentId}`.execute(world.database.owner);
    expect(await showOf(id)).toMatchObject({ parent_credential_id: null });
  });
});
