import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkHealth, forgetHistory } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let venue: ScriptedVenue;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});
afterAll(() => world.close());

const age = (days: number) => sql`now() - ${days} * interval '1 day'`;

async function count(table: "health_checks" | "invocations"): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::integer as n from ${sql.table(table)}`.execute(
    world.database.owner,
  );
  return rows[0]?.n ?? -1;
}

test("what is older than a quarter of a year is forgotten, but for calls of which nobody knows what came of them", async () => {
  const { owner } = await world.createTenant();
  const accountId = await world.createAccount(owner);
  const { id } = await register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields: secretFields({ api_key: "key", api_secret: "secret" }),
    policy: { allow: ["read", "trade"] },
  });
  const params = { symbol: "X", type: "market", side: "buy", amount: "1" };
  const order = (idempotencyKey: string) =>
    invoke(custody, owner, id, { operation: "createOrder", params, idempotencyKey });
  await order("settled");
  venue.answer = () => ({ outcome: "timeout", message: "Scripted: nothing came." });
  await order("unknown").catch(() => undefined);
  await checkHealth(custody, { tenant_id: owner.tenantId, id });
  const checks = await count("health_checks");
  expect([checks, await count("invocations")]).toEqual([1, 2]);

  await sql`update health_checks set checked_at = ${age(89)}`.execute(world.database.owner);
  await sql`update invocations set updated_at = ${age(89)}`.execute(world.database.owner);
  expect(await forgetHistory(custody)).toEqual({ done: 0, failed: 0 });
  await sql`update health_checks set checked_at = ${age(91)}`.execute(world.database.owner);
  await sql`update invocations set updated_at = ${age(91)}`.execute(world.database.owner);
  expect(await forgetHistory(custody)).toEqual({ done: checks + 1, failed: 0 });
  expect([await count("health_checks"), await count("invocations")]).toEqual([0, 1]);
});
