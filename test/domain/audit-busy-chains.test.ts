import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { sql, type Transaction } from "kysely";
import type { Pool } from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { verifyChain } from "../../src/audit/chain.ts";
import { Disclosures, type DisclosuresOptions } from "../../src/audit/disclosures.ts";
import { register } from "../../src/credentials/register.ts";
import { openPool } from "../../src/db/connect.ts";
import type { Database } from "../../src/db/schema.ts";
import { exportLines } from "../../testkit/record.ts";
import { forge, forgeIn } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";
import type { Task } from "./append-child.ts";

type Held = Readonly<{ release: (last?: Last) => Promise<void> }>;
type Customer = Readonly<{ tenant: Tenant; credentialId: string }>;

let world: World;
let pool: Pool;
let waitingPool: Pool;
const customers: Customer[] = [];
const holding: Held[] = [];

beforeAll(async () => {
  world = await createWorld();
  const custody = new ScriptedVenue().in(world.custody);
  for (let n = 0; n < 4; n += 1) {
    const tenant = await world.createTenant();
    const accountId = await world.createAccount(tenant.owner);
    const fields = secretFields({ api_key: "key", api_secret: "secret" });
    const input = { accountId, venue: "scripted", environment: "live", fields } as const;
    const { id } = await register(custody, tenant.owner, input);
    customers.push({ tenant, credentialId: id });
  }
  const connection = world.database.connection("keyhold_app");
  pool = openPool(connection, { applicationName: "record", max: 2 });
  waitingPool = openPool(connection, { applicationName: "record waits", max: 5 });
});
afterEach(async () => {
  await Promise.all(holding.splice(0).map(({ release }) => release()));
});
afterAll(async () => {
  await Promise.all([pool.end(), waitingPool.end()]);
  await world.close();
});

function customer(at: number): Customer {
  const found = customers[at];
  if (found === undefined) throw new Error("there are fewer");
  return found;
}

type Last = (tx: Transaction<Database>) => Promise<void>;

/** As a slow change does: holds the tenant's chain until it is released, with a last statement of its own. */
async function hold({ tenant }: Customer): Promise<Held> {
  const held = Promise.withResolvers<undefined>();
  const end = Promise.withResolvers<Last | undefined>();
  const transaction = world.database.owner.transaction().execute(async (tx) => {
    await sql`select from audit.heads where tenant_id = ${tenant.id} for update`.execute(tx);
    held.resolve(undefined);
    await (
      await end.promise
    )?.(tx);
  });
  await held.promise;
  const one = {
    async release(last?: Last) {
      end.resolve(last);
      await transaction;
    },
  };
  holding.push(one);
  return one;
}

function open(options: DisclosuresOptions = {}): Disclosures {
  return new Disclosures(pool, world.prove, { waitingPool, ...options });
}

function use(disclosures: Disclosures, { tenant, credentialId }: Customer) {
  return disclosures.append({
    principal: tenant.owner,
    credentialId,
    need: "use",
    revision: null,
    event: "credential.used",
    detail: { purpose: "scope" },
  });
}

const unavailable = { code: "record_unavailable" };
/** As long as no test takes. */
const patient = { withinMs: 300_000 };

describe("a chain that is held", () => {
  test("fails the disclosures of its own tenant alone, and the control without this fails those of others", async () => {
    const [slow, other] = [customer(0), customer(1)];
    await hold(slow);
    const disclosures = open({ withinMs: 500 });
    const failing = expect(use(disclosures, slow)).rejects.toMatchObject(unavailable);
    expect(await use(disclosures, other), "in the same group").toMatchObject({ outcome: "ok" });
    await failing;
    expect(await use(disclosures, other)).toMatchObject({ outcome: "ok" });

    const waitsForAll = open({ withinMs: 500, skipsHeldChains: false });
    const both = [use(waitsForAll, slow), use(waitsForAll, other)];
    for (const one of both) await expect(one).rejects.toMatchObject(unavailable);
  });

  test("is had by those who waited for it as soon as it is free, and they are judged on what was committed by then", async () => {
    const slow = customer(0);
    const { release } = await hold(slow);
    const disclosures = open(patient);
    const waiting = use(disclosures, slow);
    await sleepsOnLock(1);
    const row = { kind: "credentials", tenantId: slow.tenant.id, id: slow.credentialId } as const;
    const set = (frozenAt: string | null) =>
      sql`update credentials set frozen_at = ${frozenAt} where id = ${slow.credentialId}`;
    await release((tx) => forgeIn(tx, world, row, set("now")));
    expect(await waiting).toEqual({ outcome: "frozen" });
    await forge(world, row, set(null));
    expect(await use(disclosures, slow)).toMatchObject({ outcome: "ok" });
  });

  test("lets tenants through that are only busy, although they wait as well", async () => {
    const [slow, busy] = [customer(0), customer(1)];
    await hold(slow);
    const { release } = await hold(busy);
    const disclosures = open(patient);
    const waiting = use(disclosures, slow);
    const through = use(disclosures, busy);
    await sleepsOnLock(2);
    await release();
    expect(await through).toMatchObject({ outcome: "ok" });
    const state = await Promise.race([waiting, Promise.resolve("waits")]);
    expect(state, "the control").toBe("waits");
    await Promise.all(holding.splice(0).map((one) => one.release()));
    expect(await waiting).toMatchObject({ outcome: "ok" });
  });

  test("costs others no more than a few connections: with all of them taken, what is free goes on", async () => {
    const [one, two, three] = [customer(0), customer(1), customer(2)];
    await hold(one);
    const { release } = await hold(two);
    const disclosures = open({ ...patient, slowAtOnce: 1 });
    const [first, second] = [use(disclosures, one), use(disclosures, two)];
    await sleepsOnLock(1);
    expect(await use(disclosures, three)).toMatchObject({ outcome: "ok" });
    await release();
    expect(await second, "it found no connection to wait on").toMatchObject({ outcome: "ok" });
    await Promise.all(holding.splice(0).map((held) => held.release()));
    expect(await first).toMatchObject({ outcome: "ok" });
  });

  test("refuses what has waited for too long, and no request that came later", async () => {
    const slow = customer(0);
    const { release } = await hold(slow);
    const disclosures = open({ withinMs: 4000 });
    const early = expect(use(disclosures, slow)).rejects.toMatchObject(unavailable);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const late = use(disclosures, slow);
    await early;
    await release();
    expect(await late).toMatchObject({ outcome: "ok" });
  });

  /** Until so many statements of this database have waited for a lock for longer than the busy ones are given. */
  async function sleepsOnLock(most: number): Promise<void> {
    for (;;) {
      const { rows } = await sql<{ n: number }>`select count(*)::integer as n from pg_stat_activity
        where datname = current_database() and application_name = 'record waits' and wait_event_type = 'Lock'
          and query_start < clock_timestamp() - interval '250 milliseconds'`.execute(world.database.owner);
      if ((rows[0]?.n ?? 0) >= most) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});

describe("one tenant that four processes serve over 64 connections", () => {
  test("has no disclosure refused, and every one in its chain", async () => {
    const { tenant, credentialId } = customer(3);
    const task: Task = {
      connection: world.database.connection("keyhold_app"),
      keyFile: world.keyFile,
      credentials: [{ tenantId: tenant.id, id: credentialId }],
      appends: 500,
      atOnce: 16,
      noChanges: true,
    };
    const count = async () => (await exportLines(world.database.app, tenant.owner)).filter(isUse).length;
    const before = await count();
    const results = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = fork(join(import.meta.dirname, "append-child.ts"), { execArgv: [] });
        child.send(task);
        const [message] = await once(child, "message");
        return z.object({ appended: z.number(), failed: z.number() }).parse(message);
      }),
    );
    expect(results.map(({ failed }) => failed)).toEqual([0, 0, 0, 0]);
    expect((await count()) - before).toBe(4 * 500);
    expect(await verifyChain(await exportLines(world.database.app, tenant.owner))).toMatchObject({
      intact: true,
    });
  });

  const isUse = (line: string): boolean => line.includes('"event":"credential.used"');
});
