import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { exportChain } from "../../src/audit/export.ts";
import type { EventFilter } from "../../src/audit/scan.ts";
import { indexRecord, readEvents } from "../../src/audit/search.ts";
import { type Db, openDb, openPool } from "../../src/db/connect.ts";
import { explainEverything, faultsOf, type Ran, watchPlans } from "../../testkit/plans.ts";
import { createWorld, type World } from "../../testkit/world.ts";

const size = 120_000;
/** Newer than the index; one of them is rare. */
const tail = 3000;
const begin = new Date("2026-01-01T00:00:00Z");

let world: World;
let owner: Member;
let db: Db;
let ran: Ran[];

const [credentialId, apiKeyId, memberId] = [randomUUID(), randomUUID(), randomUUID()];

beforeAll(async () => {
  world = await createWorld();
  const tenant = await world.createTenant();
  owner = tenant.owner;
  await fill(tenant.id, 1, size);
  await indexRecord(world.custody);
  await sql`with others as (insert into audit.heads select gen_random_uuid(), 1, 1, sha256('') from generate_series(1, 900) returning *)
    insert into audit.index_heads select tenant_id, 1, 1 from others`.execute(world.database.owner);
  await sql`analyze audit.links, audit.indexed_events, audit.index_heads, audit.heads`.execute(
    world.database.owner,
  );
  await fill(tenant.id, size + 1, size + tail);
  for (const [setting, value] of Object.entries(explainEverything)) {
    const statement = `alter role keyhold_app in database ${world.database.name} set ${setting} = '${value}'`;
    await sql.raw(statement).execute(world.database.owner);
  }
  const pool = openPool(world.database.connection("keyhold_app"), { applicationName: "explained", max: 2 });
  ran = watchPlans(pool);
  db = openDb(pool);
}, 240_000);
afterAll(async () => {
  await db.destroy();
  await world.close();
});
beforeEach(() => {
  ran.length = 0;
});

/**
 * Links of one event each, a second apart, after those that the tenant has. One event in 20,000 is rare in each way that a filter
 * can ask for; the others are alike.
 */
async function fill(tenant: string, from: number, to: number): Promise<void> {
  const rare = sql`n % 20000 = 7`;
  await sql`
    with head as (select link, seq from audit.heads where tenant_id = ${tenant}), made as (
      insert into audit.links
      select ${tenant}::uuid, h.link + n - ${from - 1}, h.seq + n - ${from - 1}, 1, ${begin}::timestamptz + n * interval '1 second',
        sha256(''), sha256(''),
        json_build_object('at', '', 'detail', json_build_object(
          'actor', case when ${rare} then json_build_object('member_id', ${memberId}::text, 'api_key_id', ${apiKeyId}::text, 'issuer', 'rare')
            else json_build_object('member_id', ${owner.memberId}::text) end,
          'credential_id', case when ${rare} then ${credentialId}::text else gen_random_uuid()::text end),
          'event', case when ${rare} then 'tenant.frozen' else 'credential.used' end,
          'outcome', case when ${rare} then 'frozen' else 'ok' end, 'seq', h.seq + n - ${from - 1})::text, '{}'
      from generate_series(${from}::integer, ${to}::integer) n, head h
    )
    update audit.heads set link = link + ${to - from + 1}, seq = seq + ${to - from + 1} where tenant_id = ${tenant}`.execute(
    world.database.owner,
  );
}

const at = (second: number) => new Date(begin.getTime() + second * 1000);

/** How many events each search is to find, in all. */
const searches: Readonly<Record<string, readonly [EventFilter, number]>> = {
  "by event": [{ event: "tenant.frozen" }, 7],
  "by an event that there is not": [{ event: "tenant.unfrozen" }, 0],
  "by credential": [{ credentialId }, 7],
  "by actor": [{ actor: memberId }, 7],
  "by API key": [{ apiKeyId }, 7],
  "by issuer": [{ issuer: "rare" }, 7],
  "by outcome": [{ outcome: "frozen" }, 7],
  "by credential, event and outcome": [{ credentialId, event: "tenant.frozen", outcome: "frozen" }, 7],
  "by event until long ago": [{ event: "tenant.frozen", until: at(30_000) }, 2],
  "by event between two times": [{ event: "credential.used", since: at(50_000), until: at(50_100) }, 100],
  "by time alone": [{ since: at(70_000), until: at(70_050) }, 50],
};

async function search(filter: EventFilter): Promise<number> {
  let found = 0;
  for (let beforeSeq: number | null = null; ;) {
    const page = await readEvents(db, owner, filter, { limit: 200, beforeSeq });
    found += page.items.length;
    if (page.next === null) return found;
    beforeSeq = page.next;
  }
}

describe(`in a record of ${size} events`, () => {
  test.each(Object.keys(searches))("a search %s reads ranges of indexes in few pages", async (name) => {
    const [filter, expected] = searches[name] ?? [{}, -1];
    expect(await search(filter)).toBe(expected);
    expect(faultsOf(ran)).toEqual([]);
    const pages = ran.filter(({ text }) => text.includes("index_heads")).length;
    expect(pages, "three for what is not indexed yet").toBeLessThanOrEqual(4);
  });

  test("a page in the middle is found as quickly as the first", async () => {
    for (const beforeSeq of [null, 2, 60_000, size - 1]) {
      const { items } = await readEvents(db, owner, {}, { limit: 200, beforeSeq });
      expect(items[0]?.seq).toBe(beforeSeq === null ? size + tail + 2 : beforeSeq - 1);
    }
    expect(faultsOf(ran)).toEqual([]);
  });

  test("what is to be indexed is found by index", async () => {
    await sql`select * from audit.index_due('00000000-0000-0000-0000-000000000000', 1000)`.execute(db);
    expect(ran.length).toBeGreaterThan(0);
    expect(faultsOf(ran)).toEqual([]);
  });

  test("a piece of an export is a range", async () => {
    const chunks = exportChain(db, owner);
    for (let n = 0; n < 600; n += 1) await chunks.next();
    await chunks.return(undefined);
    expect(faultsOf(ran)).toEqual([]);
  });
});

// In order, after the others: an index that is gone stays gone.
describe("the same check finds the missing", () => {
  test.each([
    ["drop index audit.indexed_events_by_outcome", "by outcome"],
    ["drop index audit.indexed_events_by_actor", "by actor"],
    ["drop index audit.indexed_events_by_issuer", "by issuer"],
    ["drop index audit.indexed_events_by_api_key", "by API key"],
    ["drop index audit.indexed_events_by_credential", "by credential"],
    ["drop index audit.links_by_time", "by time alone"],
    ["alter table audit.indexed_events drop constraint indexed_events_pkey", "by event"],
  ])("%s", async (statement, name) => {
    await sql.raw(statement).execute(world.database.owner);
    await search(searches[name]?.[0] ?? {});
    expect(faultsOf(ran)).not.toEqual([]);
  });
});
