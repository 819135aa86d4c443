import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Member, type Principal, system } from "../../src/access/principal.ts";
import { change, note } from "../../src/audit/change.ts";
import type { AuditEvent } from "../../src/audit/events.ts";
import type { EventFilter, RecordedEvent } from "../../src/audit/scan.ts";
import { indexRecord, readEvents } from "../../src/audit/search.ts";
import { createApiKey } from "../../src/tenants/api-key.ts";
import { createWorld, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let all: readonly RecordedEvent[];

const credentials = [randomUUID(), randomUUID()] as const;
let apiKeyId: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

beforeEach(async () => {
  tenant = await world.createTenant();
  owner = tenant.owner;
  const apiKey = await createApiKey(world.custody.db, owner, {
    name: "key",
    scopes: ["credentials:use"],
  });
  apiKeyId = apiKey.id;
  for (const [at, credentialId] of [...credentials, ...credentials].entries()) {
    await record({ ...owner, apiKeyId }, [used(credentialId)]);
    await record(owner, [used(credentialId), at === 2 ? refused(credentialId) : used(credentialId), plain]);
    await record(system(tenant.id, "check-health"), [used(credentialId)]);
  }
  await (await world.createTenant()).addMember("trader");
  all = await search({}, 200);
});

const plain: AuditEvent = { event: "tenant.updated", detail: { changed: ["name"] } };

function used(credential_id: string): AuditEvent {
  return { event: "credential.used", detail: { credential_id, purpose: "invoke" } };
}

function refused(credential_id: string): AuditEvent {
  return { event: "credential.refused", detail: { credential_id }, outcome: "frozen" };
}

/** One link. */
async function record(
  by: Principal,
  [first, ...others]: readonly [AuditEvent, ...AuditEvent[]],
): Promise<void> {
  await change(world.custody.db, by, () => Promise.resolve({ value: {}, events: [first, ...others] }));
}

/** Page by page to the end. */
async function search(filter: EventFilter, limit = 2): Promise<RecordedEvent[]> {
  const found: RecordedEvent[] = [];
  for (let beforeSeq: number | null = null; ;) {
    const page = await readEvents(world.custody.db, owner, filter, { limit, beforeSeq });
    found.push(...page.items);
    if (page.next === null) return found;
    beforeSeq = page.next;
  }
}

/** As another process does it, which ends after this portion. */
async function indexPortion(events: number): Promise<number> {
  const { rows } = await sql<{ n: number }>`select audit.index_events(${tenant.id}, ${events}) as n`.execute(
    world.custody.db,
  );
  return rows[0]?.n ?? -1;
}

/** A link with one line that the service would not write. */
async function forge(line: string): Promise<void> {
  await sql`with head as (update audit.heads set link = link + 1, seq = seq + 1 where tenant_id = ${tenant.id} returning *)
    insert into audit.links select tenant_id, link, seq, 1, clock_timestamp(), hash, hash, ${line}, '{}' from head`.execute(
    world.database.owner,
  );
}

async function entries(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::integer as n from audit.indexed_events where tenant_id = ${tenant.id}`.execute(
    world.database.owner,
  );
  return rows[0]?.n ?? -1;
}

function actor({ detail }: RecordedEvent, field: string): unknown {
  return Object.entries(Object(detail["actor"])).find(([name]) => name === field)?.[1];
}

/** Each filter, and the same question asked of every event in JavaScript. */
const searches: Readonly<Record<string, () => readonly [EventFilter, (event: RecordedEvent) => boolean]>> = {
  "the name of the event": () => [{ event: "credential.used" }, ({ event }) => event === "credential.used"],
  "a name that is rare": () => [{ event: "tenant.created" }, ({ event }) => event === "tenant.created"],
  "the credential": () => [
    { credentialId: credentials[0] },
    ({ detail }) => detail["credential_id"] === credentials[0],
  ],
  "the outcome": () => [{ outcome: "frozen" }, ({ outcome }) => outcome === "frozen"],
  "the member": () => [{ actor: owner.memberId }, (event) => actor(event, "member_id") === owner.memberId],
  "a task of the service": () => [
    { actor: "check-health" },
    (event) => actor(event, "task") === "check-health",
  ],
  "the operator's subject": () => [{ actor: "operator" }, (event) => actor(event, "subject") === "operator"],
  "the operator's issuer": () => [{ issuer: "test" }, (event) => actor(event, "issuer") === "test"],
  "the API key": () => [{ apiKeyId }, (event) => actor(event, "api_key_id") === apiKeyId],
  "a time from which": () => {
    const since = new Date(all[9]?.at ?? "");
    return [
      { event: "credential.used", since },
      ({ event, at }) => event === "credential.used" && new Date(at) >= since,
    ];
  },
  "a time before which": () => {
    const until = new Date(all[9]?.at ?? "");
    return [{ outcome: "ok", until }, ({ outcome, at }) => outcome === "ok" && new Date(at) < until];
  },
  "two times alone": () => {
    const [since, until] = [new Date(all[15]?.at ?? ""), new Date(all[4]?.at ?? "")];
    return [{ since, until }, ({ at }) => new Date(at) >= since && new Date(at) < until];
  },
  "all of them at once": () => [
    {
      event: "credential.used",
      credentialId: credentials[1],
      outcome: "ok",
      actor: owner.memberId,
      apiKeyId,
    },
    (event) => actor(event, "api_key_id") === apiKeyId && event.detail["credential_id"] === credentials[1],
  ],
};

describe.each(Object.keys(searches))("a search by %s", (name) => {
  test("finds every event that is meant and no other, however far the index goes", async () => {
    const [filter, isMeant] = searches[name]?.() ?? [{}, () => false];
    const expected = all.filter(isMeant);
    expect(expected.length, "the control: it finds something, and not everything").toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(all.length);
    expect(await search(filter), "without an index").toEqual(expected);
    while ((await indexPortion(4)) > 0)
      expect(await search(filter), "in the middle of a link, too").toEqual(expected);
    expect(await entries()).toBe(all.length);
    await record(owner, [used(credentials[0]), refused(credentials[1])]);
    expect(await search(filter), "with newer events").toEqual((await search({}, 200)).filter(isMeant));
  });
});

describe("the index of events", () => {
  test("is filled by several processes at once without a gap, a repeat or a wait", async () => {
    await Promise.all([1, 2, 3, 4].map(() => indexRecord(world.custody)));
    await indexRecord(world.custody);
    expect(await entries()).toBe(all.length);
    const { rows } =
      await sql`select tenant_id from audit.index_due('00000000-0000-0000-0000-000000000000', 1000)
      where due`.execute(world.custody.db);
    expect(rows).toEqual([]);
    expect(await indexRecord(world.custody)).toEqual({ done: 0, failed: 0 });
  });

  test("leaves a tenant to the process that is at it", async () => {
    await indexPortion(4);
    await world.database.owner.transaction().execute(async (tx) => {
      await sql`select from audit.index_heads where tenant_id = ${tenant.id} for update`.execute(tx);
      expect(await indexPortion(4)).toBe(0);
    });
    expect(await indexPortion(4), "the control: nobody is at it").toBe(4);
  });

  test("keeps nothing of a portion that was cut off, and goes on where it was", async () => {
    await indexPortion(4);
    const cut = world.database.owner.transaction().execute(async (tx) => {
      await sql`select audit.index_events(${tenant.id}, 5)`.execute(tx);
      throw new Error("killed");
    });
    await expect(cut).rejects.toThrow("killed");
    expect(await entries()).toBe(4);
    await indexRecord(world.custody);
    expect(await entries()).toBe(all.length);
  });

  test("goes on past lines that are no events, and so does a search", async () => {
    const long = JSON.stringify({
      at: "",
      detail: { actor: { subject: "x".repeat(9000) } },
      event: "odd",
      outcome: "ok",
    });
    const broken = [
      "not JSON",
      "[]",
      '{"event":"odd"}',
      '{"detail":{},"event":"odd\\u0000"}',
      "",
      long,
      "too\nmany\nlines",
    ];
    // Rows that are older than the constraint may hold what it refuses.
    await sql`alter table audit.links drop constraint readable`.execute(world.database.owner);
    for (const line of broken) await forge(line);
    await record(owner, [refused(credentials[0])]);
    const before = await search({ outcome: "frozen" });
    expect(before).toHaveLength(2);
    const seqs = (await search({})).map(({ seq }) => seq);
    expect(seqs).toEqual(expect.arrayContaining(all.map(({ seq }) => seq)));
    expect(await indexRecord(world.custody)).toMatchObject({ failed: 0 });
    expect(await search({ outcome: "frozen" })).toEqual(before);
    expect(await search({ event: "odd" }), "one of them is an event").toHaveLength(1);
  });

  test("goes with its tenant, and the record stays", async () => {
    await indexRecord(world.custody);
    const erased = await world.createTenant();
    await indexRecord(world.custody);
    const left = async () => {
      const { rows } = await sql`select 1 from audit.indexed_events where tenant_id = ${erased.id}
        union all select 2 from audit.index_heads where tenant_id = ${erased.id}`.execute(
        world.database.owner,
      );
      return rows.length;
    };
    expect(await left(), "the control: it was there").toBeGreaterThan(1);
    await sql`delete from members where tenant_id = ${erased.id}`.execute(world.database.owner);
    await sql`delete from data_keys where tenant_id = ${erased.id}`.execute(world.database.owner);
    await sql`delete from tenants where id = ${erased.id}`.execute(world.database.owner);
    await indexRecord(world.custody);
    expect(await left()).toBe(0);
    expect(await entries(), "and no other's").toBe(all.length);
  });
});

test("nothing is written by a commit but the link and the head", async () => {
  const before = await entries();
  await note(world.custody.db, owner, plain);
  expect(await entries()).toBe(before);
});

test("a page looks at a thousand events and no more, and says that there is more", async () => {
  const many = Array.from({ length: 700 }, () => plain);
  for (let n = 0; n < 4; n += 1) await record(owner, [plain, ...many]);
  const rare = { event: "credential.refused" };
  const first = await readEvents(world.custody.db, owner, rare, { limit: 50, beforeSeq: null });
  expect(first.items).toEqual([]);
  const total = all.length + 4 * 701;
  expect(first.next).toBe(total - 999);
  const whole = await search(rare, 50);
  expect(whole).toEqual(all.filter(({ event }) => event === "credential.refused"));
  await indexRecord(world.custody);
  const found = await readEvents(world.custody.db, owner, rare, { limit: 50, beforeSeq: null });
  expect(found, "the control: with the index it is one page").toEqual({ items: whole, next: null });
  const both = { actor: owner.memberId, event: "credential.refused" };
  const page = await readEvents(world.custody.db, owner, both, { limit: 50, beforeSeq: null });
  expect(page, "what no index answers alone goes on page by page").toEqual({ items: [], next: total - 999 });
  expect(await search(both, 50)).toEqual(whole);
});

test.each([false, true])(
  "what was recorded by a clock that was set back is found by its time (indexed: %s)",
  async (indexed) => {
    const clockOf = (seq: number) => new Date(all.find((event) => event.seq === seq)?.at ?? "").getTime();
    const set = (link: number, moment: number) =>
      sql`update audit.links set recorded_at = ${new Date(moment)} where tenant_id = ${tenant.id} and link = ${link}`.execute(
        world.database.owner,
      );
    const start = clockOf(1) - 60_000;
    const seconds = [0, 10, 20, 18, 21, 30];
    for (const [at, second] of seconds.entries()) await set(at + 1, start + second * 1000);
    if (indexed) await indexRecord(world.custody);
    const dated = await search({}, 200);
    const ok = (from: number, to: number) =>
      dated.filter(({ at, outcome }) => {
        const time = new Date(at).getTime();
        return outcome === "ok" && time >= start + from * 1000 && time < start + to * 1000;
      });
    for (const [from, to] of [
      [0, 19],
      [19, 40],
      [17, 19],
      [19, 21],
      [20, 21],
    ] as const) {
      const [since, until] = [new Date(start + from * 1000), new Date(start + to * 1000)];
      expect(ok(from, to).length).toBeGreaterThan(0);
      expect(await search({ outcome: "ok", since, until })).toEqual(ok(from, to));
      expect(await search({ since, until })).toEqual(ok(from, to));
    }
  },
);
