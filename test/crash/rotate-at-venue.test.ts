import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Effect, Effects, type Point, pointsOf } from "../../proof/crash/effects.ts";
import { mortalDb, mortalRecord, mortalStore } from "../../proof/crash/mortal.ts";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { register } from "../../src/credentials/register.ts";
import { schedule } from "../../src/credentials/rotation-at-venue/schedule.ts";
import { beginDue, step, stepDue } from "../../src/credentials/rotation-at-venue/step.ts";
import { rollBack } from "../../src/credentials/rotation.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { openPool } from "../../src/db/connect.ts";
import { createStores } from "../../src/stores/open.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { signed } from "../../testkit/rights.ts";
import { nameIn, ScriptedSubAccount } from "../../testkit/scripted-keys.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

/** Steps at the venue, and what comes before each. */
const stages = ["creating", "overlap", "withdrawing"] as const;
type Stage = (typeof stages)[number];

type Victim = Readonly<{ member: Member; id: string; account: ScriptedSubAccount; custody: Custody }>;

const unharmed = <T>(_name: string, _kind: Effect["kind"], work: () => Promise<T>): Promise<T> => work();

function custodyOf(base: Custody, account: ScriptedSubAccount, around = unharmed): Custody {
  const keys = account.management(around);
  return { ...account.venue(around).in(base), venueKeys: () => keys };
}

/** A credential whose next step at the venue is that of the stage. */
async function makeVictim(stage: Stage): Promise<Victim> {
  const { owner: member } = await world.createTenant();
  const accountId = await world.createAccount(member);
  const account = new ScriptedSubAccount();
  account.keys.set("by hand", "by hand");
  const custody = custodyOf(world.custody, account);
  const of = { accountId, venue: "scripted", environment: "live" } as const;
  const keep = (name: string) =>
    register(custody, member, {
      ...of,
      label: name,
      fields: secretFields({ api_key: name, api_secret: `secret of ${name}` }),
    });
  const [{ id: parentId }, { id }] = [await keep("parent"), await keep("by hand")];
  await schedule(custody, member, id, { parentId, everyDays: 30, nextAt: new Date(0) });
  await beginDue(custody);
  const victim = { member, id, account, custody };
  if (stage !== "creating") await step(custody, member.tenantId, id);
  if (stage === "withdrawing") await rollBack(custody, member, id, 2);
  return victim;
}

/** Takes the step in a process that comes to an end at `point`: nothing that it would do after that is done. */
async function dieAt({ member, id, account }: Victim, point: Point | null): Promise<readonly Effect[]> {
  const { promise: opened, resolve: open } = Promise.withResolvers<undefined>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<undefined>();
  const effects = new Effects(point, { opened, arrive: () => arrive(undefined) });
  const pool = openPool(world.database.connection("keyhold_app"), { applicationName: "victim", max: 5 });
  const db = mortalDb(pool, effects, member.tenantId);
  signed({ db, dataKeys: world.custody.dataKeys });
  const store = mortalStore(createPostgresStore(db), effects);
  const base = {
    ...world.custody,
    ...mortalRecord(world.custody.disclosures, effects),
    db,
    stores: createStores(store),
  };
  const mortal = custodyOf(base, account, (name, kind, work) => effects.around({ name, kind }, work));
  await Promise.race([step(mortal, member.tenantId, id), arrived]);
  // What was under way reaches its end, or not; what was held is given back.
  open(undefined);
  await sleep(1);
  await world.database.ownerPool.query(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim' and datname = current_database()",
  );
  void pool.end();
  return effects.seen;
}

/** Everything that the clock does, as if all that is waited for had passed. */
async function tick({ custody }: Victim): Promise<void> {
  const { owner } = world.database;
  await sql`update venue_rotations set due_at = now()`.execute(owner);
  await sql`update intents set created_at = now() - interval '3 minutes'`.execute(owner);
  await reconcile(custody);
  await stepDue(custody);
}

async function keyInForce({ custody, member, id }: Victim): Promise<string> {
  return withSecret(custody, member, { id }, (fields) => Promise.resolve(nameIn(fields)));
}

async function isOver({ id }: Victim): Promise<boolean> {
  const { rows } = await sql`select from venue_rotations where credential_id = ${id}`.execute(
    world.database.owner,
  );
  return rows.length === 0;
}

async function orphans(): Promise<number> {
  const { rows } = await world.database.ownerPool.query<{ n: number }>(`
    select (select count(*) from intents) + (select count(*) from sealed_secrets s where not exists (
      select from credential_versions v where (v.credential_id, v.version) = (s.credential_id, s.version)
        and v.state <> 'destroyed')) as n`);
  return rows[0]?.n ?? -1;
}

describe.each(stages)("a process that dies at the venue in the stage %s", (stage) => {
  test(
    "leaves one key that works at every moment, and in the end no other",
    { timeout: 180_000 },
    async () => {
      const effects = await dieAt(await makeVictim(stage), null);
      const points = pointsOf(effects);
      expect(points.length, JSON.stringify(effects)).toBeGreaterThan(8);
      let orphansLeft = 0;
      for (const point of points) {
        const name = `${point.moment} ${effects[point.at - 1]?.name ?? ""}`;
        const victim = await makeVictim(stage);
        await dieAt(victim, point);
        expect(victim.account.keys.has(await keyInForce(victim)), `${name}: works right after`).toBe(true);
        orphansLeft += victim.account.keys.size > 1 ? 1 : 0;
        let rounds = 0;
        while (!(await isOver(victim)) && rounds < 6) {
          await tick(victim);
          rounds += 1;
          expect(victim.account.keys.has(await keyInForce(victim)), `${name}: works later`).toBe(true);
        }
        await tick(victim);
        const inForce = await keyInForce(victim);
        expect([...victim.account.keys.keys()], `${name}: no other key is left`).toEqual([inForce]);
        expect(inForce, name).toBe(stage === "withdrawing" ? "by hand" : inForce);
        expect(await orphans(), name).toBe(0);
      }
      expect(orphansLeft, "the control: some died with two keys at the venue").toBeGreaterThan(0);
    },
  );
});
