import { randomBytes, randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fault } from "../../simulator/faults.ts";
import { checkDue } from "../../src/credentials/check.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { validate, validateSecret } from "../../src/credentials/validate.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import { encodings, leaksIn } from "../../testkit/leaks.ts";
import { queueAll } from "../../testkit/webhooks.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
const secrets: string[] = [];

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

/** A key at the simulated venue whose parts would be recognised anywhere. */
function addKey(known = true): { api_key: string; api_secret: string } {
  const api_key = `CANARY${randomBytes(16).toString("hex")}`;
  const api_secret = `canary"+/${randomBytes(16).toString("hex")}`;
  secrets.push(api_key, api_secret);
  if (known)
    world.simulator.control.addKey("alpaca", {
      environment: "paper",
      apiKey: api_key,
      apiSecret: api_secret,
    });
  return { api_key, api_secret };
}

/** Every verb, and every way in which it may go wrong that the database hears of. */
async function live(): Promise<void> {
  const { custody, simulator } = world;
  const { owner } = await world.createTenant();
  await updatePolicy(custody.db, owner, { allow_deferred: true });
  // All of it is queued for somebody who wants to be told everything.
  await sql`insert into webhook_endpoints (tenant_id, id, url)
    values (${owner.tenantId}, ${randomUUID()}, 'https://hooks.example/')`.execute(world.database.owner);
  const accountId = await world.createAccount(owner);
  const place = { accountId, venue: "alpaca", environment: "paper" } as const;
  const policy = { allow: ["read", "trade"], reveal: true } as const;
  const fail = (work: Promise<unknown>) => expect(work).rejects.toMatchObject({ name: "KeyholdError" });

  const { id } = await register(custody, owner, { ...place, policy, fields: secretFields(addKey()) });
  await register(custody, owner, {
    ...place,
    label: "later",
    validation: "deferred",
    fields: secretFields(addKey()),
  });
  await register(custody, owner, {
    ...place,
    label: "bad",
    validation: "deferred",
    fields: secretFields(addKey(false)),
  });
  await checkDue(custody);
  await fail(register(custody, owner, { ...place, label: "no", fields: secretFields(addKey(false)) }));
  await fail(register(custody, owner, { ...place, fields: secretFields(addKey()) }));
  await validateSecret(custody, owner, { ...place, fields: secretFields(addKey()) });
  await validate(custody, owner, id);
  await withSecret(custody, owner, { id }, () => Promise.resolve());
  await reveal(custody, owner, id, "to see");
  const order = (key: string) => {
    const params = { symbol: "AAPL", type: "market", side: "buy", amount: "1" };
    return invoke(custody, owner, id, { operation: "createOrder", params, idempotencyKey: key });
  };
  await order("one");
  simulator.control.fail("alpaca", fault.loseAnswer, { times: 1, method: "POST" });
  await order("two");
  await order("two");
  // A venue that repeats what it was sent: key and secret come back in its answer.
  const echo = secrets.slice(0, 2).join(" ");
  simulator.control.fail("alpaca", fault.json(422, { code: 1, message: echo }), { times: 1, method: "POST" });
  await fail(order("three"));
  simulator.control.fail("alpaca", fault.json(401, { message: echo }), { times: 1 });
  await validate(custody, owner, id);
  const { revision: present } = await show(custody, owner, id);
  const { revision } = await update(custody, owner, id, present, { label: "renamed" });
  await fail(replace(custody, owner, id, revision, secretFields(addKey(false))));
  const replaced = await replace(custody, owner, id, revision, secretFields(addKey()));
  await freeze(custody, owner, replaced.id, "an incident");
  await unfreeze(custody, owner, id);
  const other = await register(custody, owner, { ...place, label: "gone", fields: secretFields(addKey()) });
  await revoke(custody, owner, other.id);
}

/** Every value of every column of every table, as bytes: what a raw read of the database gives. */
async function readEverything(): Promise<Readonly<{ surface: Buffer; columns: number }>> {
  const { owner, ownerPool } = world.database;
  const { rows: tables } = await sql<{ name: string }>`
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and n.nspname not in ('pg_catalog', 'information_schema')`.execute(
    owner,
  );
  const parts: Buffer[] = [];
  const columns = new Set<string>();
  for (const { name } of tables) {
    const { rows } = await ownerPool.query<Record<string, unknown>>(`select * from ${name}`);
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        columns.add(`${name}.${column}`);
        parts.push(
          Buffer.isBuffer(value)
            ? value
            : Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
        );
      }
    }
  }
  return { surface: Buffer.concat(parts), columns: columns.size };
}

describe("a raw read of the database after a busy life", () => {
  test("finds no part of any secret, in seven encodings", async () => {
    await live();
    await queueAll(world.custody);
    const { surface, columns } = await readEverything();
    expect(secrets.length).toBeGreaterThan(15);
    expect(columns).toBeGreaterThan(90);
    expect(surface.includes('"type":"credential.secret_replaced"'), "webhooks are among it").toBe(true);
    expect(leaksIn(surface, secrets)).toEqual([]);
  });

  test.each(Object.keys(encodings))("the control: a secret planted as %s is found", async (name) => {
    const planted = encodings[name]?.(secrets[1] ?? "") ?? Buffer.alloc(0);
    await sql`create table planted (place bytea)`.execute(world.database.owner);
    await sql`insert into planted values (${planted})`.execute(world.database.owner);
    expect(leaksIn((await readEverything()).surface, secrets)).toContain(name);
    await sql`drop table planted`.execute(world.database.owner);
  });
});
