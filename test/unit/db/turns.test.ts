import { createHash } from "node:crypto";
import type { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPool } from "../../../src/db/connect.ts";
import { createTurns, type TurnOptions, type Turns } from "../../../src/db/turns.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

let database: TestDatabase;
const pools: Pool[] = [];

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.end()));
  await database.drop();
});

const keyOf = (name: string): Uint8Array => createHash("sha256").update(name).digest();

/** A process of its own: nothing that waits in one is known to another. */
function openProcess(options: TurnOptions = {}, pool = ownPool()): Turns {
  return createTurns(pool, options);
}

function ownPool(): Pool {
  const pool = openPool(database.connection("keyhold_app"), { applicationName: "turns", max: 2 });
  pools.push(pool);
  return pool;
}

/** As a pooler in the mode of transactions gives connections: each statement another one. */
function poolerPool(): Pool {
  return new Proxy(ownPool(), {
    get(target, name) {
      if (name === "query") {
        return async (...given: unknown[]): Promise<unknown> => {
          const one = openPool(database.connection("keyhold_app"), { applicationName: "pooler", max: 1 });
          try {
            return await Reflect.apply(one.query.bind(one), one, given);
          } finally {
            await one.end();
          }
        };
      }
      return Reflect.get(target, name, target);
    },
  });
}

/** Counts how many are at work under a key at the same time. */
function counter() {
  let running = 0;
  const seen = { most: 0, done: 0 };
  const work = async (): Promise<void> => {
    running += 1;
    seen.most = Math.max(seen.most, running);
    await new Promise((resolve) => setTimeout(resolve, 4));
    running -= 1;
    seen.done += 1;
  };
  return { seen, work };
}

/** Work that ends when the test says so. */
function held() {
  const begun = Promise.withResolvers<undefined>();
  const end = Promise.withResolvers<undefined>();
  const work = async (): Promise<string> => {
    begun.resolve(undefined);
    await end.promise;
    return "held";
  };
  return { work, begun: begun.promise, end: () => end.resolve(undefined) };
}

const leases = async (key: Uint8Array): Promise<number> => {
  const { rows } = await database.ownerPool.query("select from turns where key = $1", [key]);
  return rows.length;
};

test.each([
  ["with connections of their own", ownPool],
  ["behind a pooler that gives each statement another connection", poolerPool],
])("two processes %s never have the turn of one key at once, and both get it", async (_, openOne) => {
  const [one, another] = [openProcess({}, openOne()), openProcess({}, openOne())];
  const { seen, work } = counter();
  const turn = { tenantId: "a", key: keyOf(`shared ${openOne.name}`) };
  const byProcess = [0, 0];
  const calls = Array.from({ length: 20 }, (__, n) =>
    (n % 2 === 0 ? one : another)(turn, async () => {
      byProcess[n % 2] = (byProcess[n % 2] ?? 0) + 1;
      await work();
    }),
  );
  await Promise.all(calls);
  expect(seen).toEqual({ most: 1, done: 20 });
  expect(byProcess).toEqual([10, 10]);
});

test("calls under different keys are made at once (control)", async () => {
  const turns = openProcess();
  const { seen, work } = counter();
  const all = Array.from({ length: 8 }, (_, n) => turns({ tenantId: "a", key: keyOf(`key ${n}`) }, work));
  await Promise.all(all);
  expect(seen.most).toBeGreaterThan(1);
});

test("the turn of a process that died passes when its lease is over, and no sooner", async () => {
  const key = keyOf("dead");
  await database.ownerPool.query(
    "insert into turns values ($1, gen_random_uuid(), now() + interval '1 hour')",
    [key],
  );
  const turns = openProcess({ patience: 300 });
  const turn = { tenantId: "a", key };
  await expect(turns(turn, () => Promise.resolve("too soon"))).rejects.toMatchObject({ code: "no_turn" });
  await database.ownerPool.query("update turns set leased_until = now() where key = $1", [key]);
  expect(await turns(turn, () => Promise.resolve("its turn"))).toBe("its turn");
});

test("a turn is kept for as long as its call runs, however short its lease", async () => {
  const [first, second] = [openProcess({ leaseMs: 300 }), openProcess({ patience: 1500 })];
  const turn = { tenantId: "a", key: keyOf("long") };
  const { work, begun, end } = held();
  const long = first(turn, work);
  await begun;
  await expect(second(turn, () => Promise.resolve("stolen"))).rejects.toMatchObject({ code: "no_turn" });
  end();
  expect(await long).toBe("held");
  expect(await second(turn, () => Promise.resolve("its turn"))).toBe("its turn");
});

test("neither a call that waits nor one that runs holds a connection", async () => {
  const pool = ownPool();
  const turns = openProcess({}, pool);
  const turn = { tenantId: "a", key: keyOf("hangs") };
  const { work, begun, end } = held();
  const all = [
    turns(turn, work),
    ...Array.from({ length: 10 }, () => turns(turn, () => Promise.resolve(""))),
  ];
  await begun;
  expect([pool.totalCount - pool.idleCount, pool.waitingCount]).toEqual([0, 0]);
  end();
  await Promise.all(all);
});

test("calls wait up to a bound, of a key and of a tenant; beyond it they are told that nothing was done", async () => {
  const turns = openProcess({ waitingPerKey: 2, waitingPerTenant: 3 });
  const busy = { tenantId: "a", key: keyOf("busy") };
  const { work, begun, end } = held();
  const first = turns(busy, work);
  await begun;
  const waiting = [turns(busy, work), turns(busy, work)];
  const refused = { code: "no_turn", status: 503, facts: { retry_after_seconds: 5 } };
  await expect(turns(busy, work), "of this key").rejects.toMatchObject(refused);
  const other = { tenantId: "a", key: keyOf("busy too") };
  const second = held();
  const runs = turns(other, second.work);
  await second.begun;
  waiting.push(turns(other, work));
  await expect(turns(other, work), "of this tenant").rejects.toMatchObject(refused);
  const unharmed = turns({ tenantId: "b", key: keyOf("other") }, () => Promise.resolve("unharmed"));
  expect(await unharmed).toBe("unharmed");
  end();
  second.end();
  await Promise.all([first, runs, ...waiting]);
});

test("what the work gives or throws is what the caller gets, and the next has its turn", async () => {
  const turns = openProcess();
  const turn = { tenantId: "a", key: keyOf("throws") };
  await expect(turns(turn, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(await turns(turn, () => Promise.resolve(7))).toBe(7);
  await expect.poll(() => leases(turn.key)).toBe(0);
});

test("without the database no call is begun, and each is told so", async () => {
  const pool = openPool({ host: "/nowhere", user: "nobody", database: "none" }, { applicationName: "none" });
  const turns = createTurns(pool);
  let begun = 0;
  const call = turns({ tenantId: "a", key: keyOf("away") }, async () => {
    begun += 1;
  });
  await expect(call).rejects.toMatchObject({ code: "no_turn" });
  expect(begun).toBe(0);
  await pool.end();
});
