import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { verifyChain } from "../../src/audit/chain.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { register } from "../../src/credentials/register.ts";
import { exportLines } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";
import type { Task } from "./append-child.ts";

const result = z.object({ appended: z.number(), failed: z.number() });
const processes = 4;
const appendsEach = 400;

let world: World;
const tenants: Tenant[] = [];
const credentials: { tenantId: string; id: string }[] = [];

beforeAll(async () => {
  world = await createWorld();
  const custody = new ScriptedVenue().in(world.custody);
  for (let n = 0; n < 5; n += 1) {
    const tenant = await world.createTenant();
    tenants.push(tenant);
    const accountId = await world.createAccount(tenant.owner);
    const fields = secretFields({ api_key: "key", api_secret: "secret" });
    const input = { accountId, venue: "scripted", environment: "live", fields } as const;
    const { id } = await register(custody, tenant.owner, input);
    credentials.push({ tenantId: tenant.id, id });
  }
});
afterAll(() => world.close());

/** Four processes append at once. */
async function appendAll(): Promise<{ appended: number; failed: number }> {
  const task: Task = {
    connection: world.database.connection("keyhold_app"),
    keyFile: world.keyFile,
    credentials,
    appends: appendsEach,
  };
  const results = await Promise.all(
    Array.from({ length: processes }, async () => {
      const child = fork(join(import.meta.dirname, "append-child.ts"), { execArgv: [] });
      child.send(task);
      const [message] = await once(child, "message");
      return result.parse(message);
    }),
  );
  return {
    appended: results.reduce((sum, { appended }) => sum + appended, 0),
    failed: results.reduce((sum, { failed }) => sum + failed, 0),
  };
}

async function countEvents(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select sum(event_count)::integer as n from audit.links`.execute(
    world.database.owner,
  );
  return rows[0]?.n ?? 0;
}

function verifyAll() {
  return Promise.all(
    tenants.map(async ({ owner }) => verifyChain(await exportLines(world.custody.db, owner))),
  );
}

// In order: the control at the end spoils the database.
describe("the record of four processes that write at once", () => {
  test("has every event once, in dense sequences and unbroken chains, with changes in between", async () => {
    const before = await countEvents();
    const [first] = credentials;
    const toggling = async (): Promise<number> => {
      for (let n = 0; n < 20; n += 1) {
        await freeze(world.custody, tenants[0]?.owner ?? never(), first?.id ?? never(), null);
        await unfreeze(world.custody, tenants[0]?.owner ?? never(), first?.id ?? never());
      }
      return 40;
    };
    const [{ appended, failed }, changes] = await Promise.all([appendAll(), toggling()]);
    expect({ appended, failed }).toEqual({ appended: processes * appendsEach, failed: 0 });
    expect(await countEvents()).toBe(before + appended + changes);
    for (const verdict of await verifyAll()) expect(verdict).toMatchObject({ intact: true });
    const { rows } = await sql`select tenant_id from audit.links group by tenant_id
      having count(*) <> max(link) or count(distinct previous_hash) <> count(*) or sum(event_count) <> max(first_seq + event_count - 1)`.execute(
      world.database.owner,
    );
    expect(rows, "chains with a gap, or two links after one").toEqual([]);
  });

  test("keeps its groups: fewer links than events", async () => {
    const { rows } = await sql<{ links: number }>`select count(*)::integer as links from audit.links`.execute(
      world.database.owner,
    );
    expect(rows[0]?.links).toBeLessThan(await countEvents());
  });

  test("the control: without the lock on the heads appends fail on the key, and without the key chains fork", async () => {
    const { owner } = world.database;
    await withoutLock("audit.append");
    await withoutLock("audit.record");
    expect((await appendAll()).failed).toBeGreaterThan(0);
    for (const verdict of await verifyAll())
      expect(verdict, "the key still holds").toMatchObject({ intact: true });

    await sql`alter table audit.links drop constraint links_pkey`.execute(owner);
    expect(await appendAll()).toBeDefined();
    expect((await verifyAll()).filter(({ intact }) => !intact).length).toBeGreaterThan(0);
  });

  /** The same function, but that nobody waits for anybody. */
  async function withoutLock(name: string): Promise<void> {
    const { owner } = world.database;
    const { rows } = await sql<{ text: string }>`
      select pg_get_functiondef(${name}::regproc) as text`.execute(owner);
    const text = rows[0]?.text ?? "";
    const locks = /for update( skip locked\))?;/g;
    expect(text.match(locks)?.length).toBe(name === "audit.append" ? 2 : 1);
    await sql.raw(text.replace(locks, (lock) => (lock.includes(")") ? ");" : ";"))).execute(owner);
  }
});

function never(): never {
  throw new Error("there are fewer");
}
