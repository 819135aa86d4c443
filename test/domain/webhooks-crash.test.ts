import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { change } from "../../src/audit/change.ts";
import type { AuditEvent } from "../../src/audit/events.ts";
import { plainConnection } from "../../testkit/connection.ts";
import type { Receiver } from "../../testkit/receiver.ts";
import { WebhookWorld } from "../../testkit/webhooks.ts";
import { createWorld, type Tenant, type World } from "../../testkit/world.ts";
import type { Task } from "./webhooks-child.ts";

let world: World;
let hooks: WebhookWorld;
let receiver: Receiver;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  hooks = new WebhookWorld(world);
  receiver = await hooks.receiver();
  return async () => {
    await Promise.all([...children].map(kill));
    await hooks.close();
    await sql`delete from webhook_endpoints`.execute(world.database.owner);
  };
});

function start(what: Task["what"]): ChildProcess {
  const task: Task = {
    what,
    connection: plainConnection(world.database.connection("keyhold_app")),
    keyFile: world.keyFile,
  };
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "webhooks-child.ts"), JSON.stringify(task)],
    {
      stdio: ["ignore", "ignore", "inherit"],
      // Compiled once for all of them.
      env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(world.keyFile), "compiled") },
    },
  );
  children.add(child);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
  children.delete(child);
}

/** The tenant has as many endpoints, and things happen that each of them is told. */
async function queue(tenant: Tenant, endpoints: number, events: number): Promise<void> {
  const { owner } = tenant;
  for (let n = 0; n < endpoints; n += 1) {
    await hooks.webhook(owner, receiver, { url: `${receiver.url}/${n}` });
  }
  const frozen: AuditEvent = { event: "tenant.frozen", detail: { reason: null } };
  const [first, ...others] = Array.from({ length: events }, () => frozen);
  if (first === undefined) return;
  await change(world.custody.db, owner, () => Promise.resolve({ value: {}, events: [first, ...others] }));
}

/** What came, each message at each webhook once. */
function arrived(): Set<string> {
  return new Set(receiver.messages.map(({ path, id }) => `${path} ${id.replaceAll(/msg_|-/g, "")}`));
}

async function countByState(): Promise<Record<string, number>> {
  const { rows } = await sql<{ state: string; n: number }>`
    select state, count(*)::integer as n from webhook_deliveries group by state`.execute(
    world.database.owner,
  );
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
}

test(
  "of 1,000 messages none is lost by processes that are killed while they send, and what comes twice has one id",
  { timeout: 600_000 },
  async () => {
    await queue(await world.createTenant(), 10, 100);
    const workers = [start("deliver"), start("deliver")];
    let kills = 0;
    let killing = Promise.resolve();
    const replace = async (victim: ChildProcess): Promise<void> => {
      await kill(victim);
      await hooks.hurry();
      workers.push(start("deliver"));
    };
    receiver.answer = (_, response) => {
      // Every hundredth message finds a receiver that has it, and a sender that dies before it learns so.
      if (receiver.messages.length % 100 !== 0 || kills >= 8) return void response.writeHead(204).end();
      const victim = workers.shift();
      if (victim === undefined) return;
      kills += 1;
      killing = Promise.all([killing, replace(victim)]).then(([done]) => done);
    };
    await expect.poll(countByState, { timeout: 580_000, interval: 200 }).toEqual({ delivered: 1000 });
    await killing;
    expect(kills).toBe(8);
    expect(arrived().size).toBe(1000);
    expect(receiver.ids.size, "each of a hundred messages at ten endpoints").toBe(100);
    expect(receiver.messages.length, "some came twice").toBeGreaterThan(1000);
  },
);

test("the control: a sender that notes first and sends after that loses what it had noted", async () => {
  await queue(await world.createTenant(), 5, 10);
  const reached = Promise.withResolvers<undefined>();
  receiver.answer = () => reached.resolve(undefined);
  const worker = start("careless");
  await reached.promise;
  await kill(worker);
  await hooks.hurry();
  receiver.answer = (_, response) => void response.writeHead(204).end();
  await hooks.sender().drain();
  expect(await countByState()).toEqual({ delivered: 50 });
  expect(arrived().size).toBeLessThan(50);
});
