import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import pMap from "p-map";
import type { Db } from "../../src/db/connect.ts";
import { createGuard } from "../../src/webhooks/guard.ts";
import { settingsFor } from "../../testkit/embedded-installation.ts";
import { until } from "../../testkit/until.ts";
import type { Ground } from "../ground.ts";
import type { Stage } from "../proof.ts";
import { type Findings, keyOf, type Outbox } from "./book.ts";
import { type Desk, openDesk } from "./desk.ts";
import { Fleet } from "./fleet.ts";
import { Mailbox } from "./mailbox.ts";

export type Plan = Readonly<{
  desks: number;
  /** Changes of each desk. */
  changes: number;
  kills: number;
  processes: number;
  /** Whether the receiver fails now and then. */
  fails: boolean;
  /** Seconds after which what a dead process had taken is given to another; the service's own when `null`. */
  leaseSeconds: number | null;
  /** In place of the service's worker. */
  program?: readonly [path: string, ...argv: string[]];
}>;

const network = "127.0.0.1";
/** For the last lease to run out, and for what failed to be tried again, on a machine that may be busy. */
const patienceMs = 600_000;

type Needs = Pick<Stage, "say" | "undo">;

/** Changes things, kills the processes that tell of them again and again, and waits until nothing is left to be told. */
export async function runTrial(ground: Ground, plan: Plan, { say, undo }: Needs): Promise<Findings> {
  // Ends with the trial, or with the proof where that is cut off.
  const own = undo.use(new AsyncDisposableStack());
  const mailbox = await Mailbox.open(plan);
  own.defer(() => mailbox.close());
  const desks = await openDesks(ground, mailbox, plan.desks, own);
  const fleet = new Fleet(environmentOf(ground), plan.program);
  own.defer(() => fleet.stop());
  await fleet.start(plan.processes);
  const { ownerDb } = ground.installation;
  if (plan.leaseSeconds !== null) own.use(shortenLeases(ownerDb, plan.leaseSeconds));
  const began = performance.now();
  const happened = await changeAndKill({ desks, fleet, mailbox }, plan, say);
  say(`${fleet.kills} processes killed; waiting for what is left`);
  const outbox = await until("everything to be told", () => settledOutbox(ownerDb, desks), patienceMs);
  const seconds = (performance.now() - began) / 1000;
  await own.disposeAsync();
  const { arrivals, failed, hungUp } = mailbox;
  return { happened, arrivals, outbox, kills: fleet.kills, failed, hungUp, seconds };
}

async function openDesks(
  ground: Ground,
  mailbox: Mailbox,
  count: number,
  undo: AsyncDisposableStack,
): Promise<readonly Desk[]> {
  const guard = createGuard({ networks: [network] });
  undo.defer(() => guard.close());
  const desks: Desk[] = [];
  for (let number = 0; number < count; number += 1) {
    const desk = await openDesk(ground, guard, mailbox.urlOf(number));
    mailbox.expect(desk);
    desks.push(desk);
  }
  return desks;
}

function environmentOf({ installation }: Ground): Readonly<Record<string, string>> {
  return {
    ...settingsFor(installation),
    KEYHOLD_ROLE: "worker",
    KEYHOLD_WEBHOOK_NETWORKS: network,
    // Compiled once for all of them.
    NODE_COMPILE_CACHE: join(installation.folder, "compiled"),
  };
}

type Scene = Readonly<{ desks: readonly Desk[]; fleet: Fleet; mailbox: Mailbox }>;

/** A portion of the changes for each kill, which comes while they are told. Answers what happened, and how often. */
async function changeAndKill(
  { desks, fleet, mailbox }: Scene,
  { changes, kills }: Plan,
  say: (line: string) => void,
): Promise<ReadonlyMap<string, number>> {
  const happened = new Map<string, number>();
  const all = Array.from({ length: changes }, () => desks).flat();
  for (let kill = 1; kill <= kills; kill += 1) {
    const [from, to] = [((kill - 1) * all.length) / kills, (kill * all.length) / kills];
    const portion = all.slice(Math.round(from), Math.round(to));
    const changing = changeAll(portion, happened);
    await someArrive(mailbox, Math.random() * portion.length);
    await fleet.killOne();
    await changing;
    if (kill % 10 === 0) say(`${kill} of ${kills} kills, ${mailbox.arrivals.length} messages`);
  }
  return happened;
}

const desksAtOnce = 8;

/** No desk is named twice in as many as are at work. */
async function changeAll(desks: readonly Desk[], happened: Map<string, number>): Promise<void> {
  const change = async (desk: Desk): Promise<void> => {
    const key = keyOf(await desk.changeNext());
    happened.set(key, (happened.get(key) ?? 0) + 1);
  };
  await pMap(desks, change, { concurrency: desksAtOnce });
}

/** Or a while goes by: nothing may arrive as long as the dead hold what is due. */
async function someArrive({ arrivals }: Mailbox, count: number): Promise<void> {
  const enough = arrivals.length + count;
  for (let look = 0; look < 300 && arrivals.length < enough; look += 1) await sleep(10);
  await sleep(Math.random() * 20);
}

async function settledOutbox(owner: Db, desks: readonly Desk[]): Promise<Outbox | null> {
  const tenants = desks.map(({ tenantId }) => tenantId);
  const { rows } = await sql<Outbox & { pending: number }>`
    select count(*)::integer as queued, count(*) filter (where state = 'delivered')::integer as delivered,
      count(*) filter (where state = 'pending')::integer
        + (select count(*) from webhook_links where tenant_id = any (${tenants}::uuid[]))::integer as pending
    from webhook_deliveries where tenant_id = any (${tenants}::uuid[])`.execute(owner);
  const [row] = rows;
  return row === undefined || row.pending > 0 ? null : { queued: row.queued, delivered: row.delivered };
}

/** As if time went by faster for those who hold something. */
function shortenLeases(owner: Db, seconds: number): AsyncDisposable {
  const shorten = () =>
    sql`update webhook_deliveries set leased_until = now() + make_interval(secs => ${seconds})
      where leased_until > now() + make_interval(secs => ${seconds})`.execute(owner);
  let last: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => {
    last = shorten().catch(() => undefined);
  }, 500);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await last;
    },
  };
}
