import type { Pool } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { checkDue } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { validateSecret } from "../../src/credentials/validate.ts";
import { openPool } from "../../src/db/connect.ts";
import { createTurns, type TurnOptions, type Turns } from "../../src/db/turns.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

/** What a build would do whose calls wait and run with a connection each. */
function turnsThatHoldConnections(pool: Pool): Turns {
  return async ({ key }, work) => {
    const client = await pool.connect();
    const lock = new DataView(key.buffer, key.byteOffset).getBigInt64(0).toString();
    try {
      await client.query("select pg_advisory_lock($1::bigint)", [lock]);
      return await work();
    } finally {
      client.release(true);
    }
  };
}

/** One tenant sends 40 calls under one made-up key to a venue that does not answer them; another one trades there. */
async function flood(open: (pool: Pool) => Turns) {
  const pool = openPool(world.database.connection("keyhold_app"), {
    applicationName: "turns",
    max: 4,
    patience: 500,
  });
  const hangs = Promise.withResolvers<undefined>();
  const venue = new ScriptedVenue({ risingNonce: true });
  venue.verdict = async ({ fields }) => {
    const key = fields.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString());
    if (key === "made-up") await hangs.promise;
    return valid();
  };
  const custody: Custody = { ...venue.in(world.custody), turns: open(pool) };
  const [{ owner: attacker }, { owner: victim }] = [await world.createTenant(), await world.createTenant()];
  const trade = await desk(custody, victim);
  const floodWith = { venue: "scripted", environment: "live", fields: secretFields(madeUp) } as const;
  const calls = Array.from({ length: 40 }, () =>
    validateSecret(custody, attacker, floodWith).then(
      () => "answered",
      (error: unknown) => codeOf(error),
    ),
  );
  await expect.poll(() => venue.inspections).toBe(2);
  const orders = [await trade.order("key-1"), await trade.order("key-2")];
  const checks = await trade.check();
  hangs.resolve(undefined);
  const answers = await Promise.all(calls);
  await pool.end();
  return { orders, checks, refused: answers.filter((code) => code === "no_turn").length, answers };
}

const madeUp = { api_key: "made-up", api_secret: "secret" };

async function desk(custody: Custody, owner: Member) {
  const { id } = await register(custody, owner, {
    accountId: await world.createAccount(owner),
    venue: "scripted",
    environment: "live",
    fields: secretFields({ api_key: "honest", api_secret: "secret" }),
    policy: { allow: ["read", "trade"] },
  });
  const params = { symbol: "X/Y", type: "market", side: "buy", amount: "1" };
  return {
    order: (idempotencyKey: string) =>
      invoke(custody, owner, id, { operation: "createOrder", params, idempotencyKey }).then(
        ({ outcome }): string => outcome,
        codeOf,
      ),
    async check() {
      await world.database.ownerPool.query("update credentials set next_check_at = now() where id = $1", [
        id,
      ]);
      return checkDue(custody);
    },
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

const bounded =
  (options: TurnOptions) =>
  (pool: Pool): Turns =>
    createTurns(pool, options);

test("40 calls under one key at a venue that hangs harm neither another tenant's calls there nor its checks", async () => {
  const { orders, checks, refused, answers } = await flood(bounded({}));
  expect(orders).toEqual(["done", "done"]);
  expect(checks).toEqual({ done: 1, failed: 0 });
  expect(refused, "one ran and 16 waited; the others were told so at once").toBeGreaterThanOrEqual(23);
  expect(answers.filter((one) => one === "answered")).toHaveLength(40 - refused);
});

test("without a bound all 40 wait (control)", async () => {
  const without = { waitingPerKey: Infinity, waitingPerTenant: Infinity };
  const { orders, refused } = await flood(bounded(without));
  expect(refused).toBe(0);
  expect(orders, "waiting takes nothing from another tenant").toEqual(["done", "done"]);
});

test("where waiting holds a connection, the other tenant's calls fail (control)", async () => {
  const { orders, checks } = await flood(turnsThatHoldConnections);
  expect(orders).not.toContain("done");
  expect(checks).toEqual({ done: 0, failed: 1 });
});
