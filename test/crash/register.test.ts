import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { list } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { plainConnection } from "../../testkit/connection.ts";
import { countRows } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";
import type { Task } from "./register-child.ts";

let world: World;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
  custody = new ScriptedVenue().in(world.custody);
});
afterAll(() => world.close());

/** One who registers or replaces in a process that dies, and what is left of it. */
type Victim = Readonly<{ member: Member; accountId: string; credentialId: string }>;

async function makeVictim(what: Task["what"]): Promise<Victim> {
  const { owner: member } = await world.createTenant();
  const accountId = await world.createAccount(member);
  if (what === "register") return { member, accountId, credentialId: "" };
  const fields = secretFields({ api_key: "old-key", api_secret: "old-secret" });
  const { id } = await register(custody, member, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields,
  });
  return { member, accountId, credentialId: id };
}

const script = join(import.meta.dirname, "register-child.ts");

/** Runs the work in a process of its own, which dies at its statement `at`. Answers what it sent if it lived. */
async function run(
  what: Task["what"],
  victim: Victim,
  at: number,
  die: Task["die"],
): Promise<string[] | null> {
  const { tenantId, memberId } = victim.member;
  const task: Task = {
    what,
    connection: plainConnection(world.database.connection("keyhold_app")),
    keyFile: world.keyFile,
    tenantId,
    memberId,
    accountId: victim.accountId,
    credentialId: victim.credentialId,
    at,
    die,
  };
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
    // Compiled once for all of them.
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(world.keyFile), "compiled") },
  });
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (at === 0) return z.array(z.string()).parse(JSON.parse(output));
  expect({ code, signal }, `statement ${at}`).toEqual({ code: null, signal: "SIGKILL" });
  return null;
}

/**
 * Before and after every commit, for nothing else makes a difference to the database, and at every sixth statement between them, to
 * see that it does not.
 */
async function diePoints(what: Task["what"]): Promise<readonly Readonly<{ at: number; die: Task["die"] }>[]> {
  const sent = (await run(what, await makeVictim(what), 0, "before")) ?? [];
  const points = sent.flatMap((sql, index) => {
    const before = { at: index + 1, die: "before" } as const;
    if (sql === "commit") return [before, { at: index + 1, die: "after" } as const];
    return index % 6 === 0 ? [before] : [];
  });
  expect(points.length, "several transactions").toBeGreaterThan(8);
  return points;
}

/** All of them, two processes at a time. */
async function killEverywhere(what: Task["what"]): Promise<Victim[]> {
  const points = [...(await diePoints(what))];
  const victims: Victim[] = [];
  const worker = async (): Promise<void> => {
    for (let point = points.pop(); point !== undefined; point = points.pop()) {
      const victim = await makeVictim(what);
      victims.push(victim);
      await run(what, victim, point.at, point.die);
    }
  };
  await Promise.all([worker(), worker()]);
  return victims;
}

/** As if all of this had been three minutes ago. */
async function reconcileAll(): Promise<void> {
  await world.database.owner
    .updateTable("intents")
    .set({ created_at: new Date(Date.now() - 180_000) })
    .execute();
  expect(await reconcile(custody)).toMatchObject({ failed: 0 });
}

/** The secret that a use gives: `old`, `new`, or the code of the error. */
async function secretOf(member: Member, id: string): Promise<string> {
  return withSecret(custody, member, { id }, (fields) =>
    Promise.resolve(
      [...fields.values()]
        .map((secret) => secret.expose((bytes) => Buffer.from(bytes).toString()).replace(/-.*/, ""))
        .join("+"),
    ),
  ).catch((error: unknown) =>
    error instanceof Error && "code" in error ? String(error.code) : String(error),
  );
}

/** Sealed bytes that no version in force points at, and versions in force without bytes; intents that nobody ended. */
async function orphans(): Promise<number> {
  const { rows } = await world.database.ownerPool.query<{ n: number }>(`
    select (select count(*) from sealed_secrets s where not exists (select from credential_versions v
        where (v.credential_id, v.version) = (s.credential_id, s.version) and v.state = 'current'))
      + (select count(*) from credential_versions v where v.state = 'current' and not exists (select from sealed_secrets s
        where (v.credential_id, v.version) = (s.credential_id, s.version)))
      + (select count(*) from credentials c where (select count(*) from credential_versions v
        where v.credential_id = c.id and v.state = 'current' and v.version = c.version) <> 1)
      + (select count(*) from intents) as n`);
  return rows[0]?.n ?? -1;
}

async function digest(): Promise<string> {
  const counts = await countRows(world.database.owner);
  const rows = await world.database.owner.selectFrom("credentials").selectAll().orderBy("id").execute();
  return JSON.stringify([counts, rows]);
}

describe("a process that is killed while it registers", () => {
  test(
    "leaves a whole credential or nothing, whichever statement it died at",
    { timeout: 120_000 },
    async () => {
      const victims = await killEverywhere("register");
      expect(await orphans(), "the control: some died in the middle").toBeGreaterThan(0);
      await reconcileAll();
      const left = await Promise.all(
        victims.map(async ({ member }) => {
          const { items } = await list(custody, member, {}, { limit: 50, after: null });
          return Promise.all(items.map(({ id }) => secretOf(member, id)));
        }),
      );
      expect(new Set(left.map((secrets) => secrets.join()))).toEqual(new Set(["", "new+new"]));
      expect(await orphans()).toBe(0);
      const settled = await digest();
      await reconcileAll();
      expect(await digest(), "a second run changes nothing").toBe(settled);
    },
  );
});

describe("a process that is killed while it replaces a secret", () => {
  test(
    "leaves the old secret or the new one in force, and nothing of the other",
    { timeout: 120_000 },
    async () => {
      const victims = await killEverywhere("replace");
      const inForce = () =>
        Promise.all(victims.map(({ member, credentialId }) => secretOf(member, credentialId)));
      const before = await inForce();
      expect(new Set(before), "at every moment").toEqual(new Set(["old+old", "new+new"]));
      expect(await orphans(), "the control: some died in the middle").toBeGreaterThan(0);
      await reconcileAll();
      expect(await inForce()).toEqual(before);
      expect(await orphans()).toBe(0);
      const settled = await digest();
      await reconcileAll();
      expect(await digest(), "a second run changes nothing").toBe(settled);
    },
  );

  test(
    "the control: one that activates before it writes loses the secret",
    { timeout: 120_000 },
    async () => {
      const victims = await killEverywhere("careless");
      await reconcileAll();
      const left = await Promise.all(
        victims.map(({ member, credentialId }) => secretOf(member, credentialId)),
      );
      expect(left.filter((secret) => secret !== "old+old" && secret !== "new+new").length).toBeGreaterThan(0);
      expect(await orphans()).toBeGreaterThan(0);
    },
  );
});
