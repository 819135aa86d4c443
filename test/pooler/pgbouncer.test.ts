import { randomBytes } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RateLimits } from "../../src/access/rate-limits.ts";
import { readConfig } from "../../src/config/config.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { connectionFromUrl, openPool } from "../../src/db/connect.ts";
import { reachServer } from "../../src/db/reach.ts";
import { readTenant, serviceScope } from "../../src/db/tenant.ts";
import { KeyholdError } from "../../src/errors.ts";
import { startClock } from "../../src/jobs/clock.ts";
import { type OpenCustody, openCustody } from "../../src/open-custody.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createDatabase } from "../../testkit/database.ts";
import { createInstallation, type Installation } from "../../testkit/installation.ts";
import { findPgBouncer, startPgBouncer, type TestPooler } from "../../testkit/pgbouncer.ts";
import { memberOf } from "../../testkit/tenants.ts";
import { openTrader } from "../../testkit/trader.ts";

const program = findPgBouncer();

describe.skipIf(program === null)("Behind PgBouncer in transaction mode", () => {
  const undo = new AsyncDisposableStack();
  let pooler: TestPooler;
  let installation: Installation;
  /** Two processes of the service. */
  let processes: readonly OpenCustody[];

  beforeAll(async () => {
    pooler = await startPgBouncer(program ?? "", { mode: "transaction" });
    undo.defer(() => pooler.stop());
    installation = await createInstallation();
    undo.defer(() => installation.close());
    await installation.keep(20);
    const open = (): Promise<OpenCustody> => openCustody(readConfig(settings()), createLog("silent"));
    processes = [await open(), await open()];
    for (const one of processes) undo.defer(() => one.close());
  });
  afterAll(() => undo.disposeAsync());

  const settings = () => ({
    ...installation.settings,
    DATABASE_URL: pooler.url("keyhold_app", installation.world.database.name),
  });

  test("10,000 reveals in two processes give each secret, without an error", async () => {
    const { kept } = installation;
    let left = 10_000;
    const wrong: string[] = [];
    const one = async (at: number): Promise<void> => {
      while (left > 0) {
        left -= 1;
        const { id, owner, apiSecret } = kept[left % kept.length] ?? refuse();
        const { custody } = processes[at % 2] ?? refuse();
        const bytes = await reveal(custody, owner, id, "to see it").catch((error: unknown) =>
          Buffer.from(String(error)),
        );
        if (!Buffer.from(bytes).toString().includes(apiSecret)) wrong.push(Buffer.from(bytes).toString());
      }
    };
    await Promise.all(Array.from({ length: 40 }, (_, at) => one(at)));
    expect(wrong).toEqual([]);
  }, 600_000);

  test("every lane of the clock runs in every round of two processes in turn", async () => {
    const needs = processes.map(({ background: { custody }, metrics }) => ({
      custody,
      metrics,
      log: createLog("silent"),
    }));
    const clocks = needs.map((one) => startClock(one, { everyMs: 600_000 }));
    for (let round = 0; round < 5; round += 1) for (const clock of clocks) await clock.tick();
    for (const { metrics } of needs) {
      const { values } = await metrics.jobRuns.get();
      const runs = values.map(({ labels, value }) => [labels["job"], labels["outcome"], value]);
      expect(new Set(runs.map(([, outcome, count]) => `${outcome} ${count}`))).toEqual(new Set(["ok 5"]));
      expect(runs.length).toBeGreaterThan(12);
    }
    await Promise.all(clocks.map((clock) => clock.stop()));
  });

  test("turns are taken one after the other by two processes, and every call gets one", async () => {
    const turn = { tenantId: crypto.randomUUID(), key: randomBytes(32) };
    let running = 0;
    let most = 0;
    let done = 0;
    const call = async (at: number): Promise<void> => {
      const { custody } = processes[at % 2] ?? refuse();
      for (let times = 0; times < 25; times += 1) {
        await custody.turns(turn, async () => {
          running += 1;
          most = Math.max(most, running);
          await setImmediate();
          running -= 1;
          done += 1;
        });
      }
    };
    await Promise.all(Array.from({ length: 12 }, (_, at) => call(at)));
    expect({ most, done }).toEqual({ most: 1, done: 300 });
  });

  test("the requests of two hundred tenants are counted by two processes, without an error", async () => {
    const limiters = processes.map(
      ({ database }) =>
        new RateLimits(database.openPool({ applicationName: "counts", max: 4, answerWithin: 2000 }), {
          requests: 20,
          reveals: 20,
          invokes: 20,
        }),
    );
    const counted = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const member = memberOf(crypto.randomUUID(), crypto.randomUUID(), "trader");
        const taken = await Promise.allSettled(
          Array.from({ length: 30 }, (_, at) => (limiters[at % 2] ?? refuse()).take("requests", member)),
        );
        return taken.map((one) => (one.status === "fulfilled" ? "counted" : codeOf(one.reason)));
      }),
    );
    const counts = Map.groupBy(counted.flat(), (outcome) => outcome);
    expect([...counts].map(([outcome, { length }]) => [outcome, length])).toEqual([
      ["counted", 200 * 20],
      ["rate_limited", 200 * 10],
    ]);
  });

  test("a service registers at a venue whose nonces must rise, uses and reveals", async () => {
    const service = await installation.startHere(settings());
    const trader = await openTrader(installation, service);
    const key = installation.world.simulator.control.addKey("kraken");
    const id = await trader.register(key);
    expect(await trader.order(id)).toMatchObject({ status: 200 });
    const revealed = await trader.send("POST", `/credentials/${id}/reveal`, { reason: "to see it" });
    expect(revealed.text).toContain(key.apiSecret);
    await service.stop();
  });

  test("a database is migrated by a service that reaches it through the pooler alone", async () => {
    const empty = await createDatabase({ empty: true });
    const service = await installation.startHere({
      ...settings(),
      DATABASE_URL: pooler.url("keyhold_app", empty.name),
      KEYHOLD_OWNER_DATABASE_URL: pooler.url("keyhold_owner", empty.name),
    });
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
    await service.stop();
    await empty.drop();
  });

  test("a statement of a transaction ends at the server when its time is over", async () => {
    const connection = await connectionFromUrl({ url: settings().DATABASE_URL, tls: "verify" });
    const [{ database } = refuse()] = processes;
    expect(database.pooled).toBe(true);
    const db = database.openDb({ applicationName: "brief", max: 1, answerWithin: 300 });
    const slow = readTenant(db, serviceScope(crypto.randomUUID()), (tx) =>
      sql`select pg_sleep(60)`.execute(tx),
    );
    await expect(slow).rejects.toThrow(/statement timeout|Query read timeout/);
    const pool = openPool({ ...connection, pooled: true }, { applicationName: "look", max: 1 });
    await expect
      .poll(
        async () =>
          (
            await pool.query(
              "select from pg_stat_activity where query like '%pg_sleep(60)' and state = 'active'",
            )
          ).rowCount,
      )
      .toBe(0);
    await pool.end();
  });

  test("start-up parameters and named statements fail (control)", async () => {
    const { name } = installation.world.database;
    const direct = await connectionFromUrl({ url: settings().DATABASE_URL, tls: "verify" });
    const told = openPool(direct, { applicationName: "told", max: 1, answerWithin: 2000 });
    await expect(told.query("select 1")).rejects.toThrow("unsupported startup parameter: statement_timeout");
    await told.end();

    await using undoHere = new AsyncDisposableStack();
    const small = await startPgBouncer(program ?? "", { mode: "transaction", size: 2 });
    undoHere.defer(() => small.stop());
    const connection = await connectionFromUrl({ url: small.url("keyhold_app", name), tls: "verify" });
    const open = (pooled: boolean) =>
      openPool({ ...connection, pooled }, { applicationName: "test", max: 1 });
    const [one, other, unnamed] = [open(false), open(false), open(true)];
    undoHere.defer(() => Promise.all([one.end(), other.end(), unnamed.end()]).then(() => undefined));
    const named = { name: "known_to_one_session", text: "select 1" };
    await one.query(named);
    const busy = await other.connect();
    await busy.query("begin");
    await expect(one.query(named)).rejects.toThrow("does not exist");
    expect((await unnamed.query(named)).rowCount).toBe(1);
    await busy.query("rollback");
    busy.release();
  });
});

describe.skipIf(program === null)("A pooler is found at the start", () => {
  test.each([
    ["that refuses start-up parameters", { mode: "transaction" }, "", true],
    ["that drops them", { mode: "transaction", ignored: ["statement_timeout"] }, "", true],
    ["in session mode", { mode: "session" }, "", true],
    ["that the URL names", { mode: "transaction" }, "?pgbouncer=true&connection_limit=1", true],
  ] as const)("%s", async (_, options, parameters, pooled) => {
    const pooler = await startPgBouncer(program ?? "", options);
    const url = pooler.url("keyhold_app", "keyhold_template", parameters);
    const reached = await reachServer(await connectionFromUrl({ url, tls: "verify" }), {
      variable: "DATABASE_URL",
    });
    expect(reached.pooled ?? false).toBe(pooled);
    await pooler.stop();
  });

  test("and none where there is none (control)", async () => {
    const database = await createDatabase();
    const reached = await reachServer(database.connection("keyhold_app"), { variable: "DATABASE_URL" });
    expect(reached.pooled).toBeUndefined();
    await database.drop();
  });
});

function codeOf(reason: unknown): string {
  return reason instanceof KeyholdError ? reason.code : String(reason);
}

function refuse(): never {
  throw new Error("there is none");
}
